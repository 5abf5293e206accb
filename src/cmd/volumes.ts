/** The default StorageClass and where its volumes are: folders below the platform's own. */
import { chmod, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { storageClasses } from '../api/index.ts';
import type { Client } from '../client/index.ts';
import { type LocalVolumes, localProvisioner } from '../controllers/index.ts';
import { isStatusError } from '../machinery/index.ts';

/** Of pods of any user: the folder above is the platform's own. */
const everybody = 0o777;

export function localVolumes(root: string): LocalVolumes {
  const directory = join(root, 'volumes');
  return {
    directory,
    async prepare(path) {
      await mkdir(path, { recursive: true });
      await chmod(path, everybody);
    },
    async remove(path) {
      if (dirname(path) !== directory) throw new Error(`${path} is not a volume below ${directory}: it stays`);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Makes it once: who deletes it, or makes another the default, is not overruled while the cluster lives. */
export async function ensureStorageClass(client: Client): Promise<void> {
  const { items } = await client.list(storageClasses);
  if (items.length > 0) return;
  try {
    await client.create(storageClasses, {
      metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: localProvisioner,
      volumeBindingMode: 'WaitForFirstConsumer',
      reclaimPolicy: 'Delete',
    });
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
  }
}
