/** Volumes that are folders of the node where their first pod runs: what the default StorageClass gives. */
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumes,
  type StorageClass,
} from '../../api/index.ts';
import type { ReconcileContext } from '../../client/index.ts';
import { isStatusError } from '../../machinery/index.ts';
import { annotations } from './matching.ts';

export interface LocalVolumes {
  /** Where the folders are, on every node. */
  readonly directory: string;
  /** Makes a folder that pods of any user can write. A node that is another machine makes its own. */
  prepare(path: string): Promise<void>;
  /** Deletes it with all that is in it. It may be gone already. */
  remove(path: string): Promise<void>;
}

export interface Provisioner {
  /** As StorageClasses name it. */
  readonly name: string;
  provision(claim: PersistentVolumeClaim, storageClass: StorageClass, context: ReconcileContext): Promise<void>;
  remove(volume: PersistentVolume, context: ReconcileContext): Promise<void>;
}

export const localProvisioner = 'local.glasshouse.dev';

export function newLocalProvisioner(volumes: LocalVolumes): Provisioner {
  return {
    name: localProvisioner,
    async provision(claim, storageClass, { client, events }) {
      const name = `pvc-${claim.metadata.uid}`;
      const path = `${volumes.directory}/${name}`;
      if (claim.spec.volumeMode === 'Block') {
        const message = `volumes of ${localProvisioner} are folders: volumeMode Block is not possible, use Filesystem`;
        return void events.event(claim, 'Warning', 'ProvisioningFailed', message);
      }
      try {
        await volumes.prepare(path);
        await client.create(persistentVolumes, volumeFor(claim, storageClass, name, path));
      } catch (error) {
        if (isStatusError(error, 'AlreadyExists')) return;
        events.event(claim, 'Warning', 'ProvisioningFailed', error instanceof Error ? error.message : String(error));
        throw error;
      }
      events.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${name}`);
    },
    async remove({ metadata, spec }, { client }) {
      const path = spec.hostPath?.path;
      if (path === `${volumes.directory}/${metadata.name}`) await volumes.remove(path);
      const preconditions = { uid: metadata.uid };
      await client.delete(persistentVolumes, { name: metadata.name! }, { preconditions }).catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
      });
    },
  };
}

function volumeFor(
  { metadata, spec }: PersistentVolumeClaim,
  { metadata: { name: storageClassName }, provisioner, reclaimPolicy, mountOptions }: StorageClass,
  name: string,
  path: string,
): PersistentVolume {
  const node = metadata.annotations?.[annotations.selectedNode];
  const where = { key: 'kubernetes.io/hostname', operator: 'In' as const, values: [node!] };
  const { namespace, name: claimName, uid, resourceVersion } = metadata;
  const kind = 'PersistentVolumeClaim';
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { [annotations.provisionedBy]: provisioner } },
    spec: {
      capacity: { storage: spec.resources?.requests?.storage ?? '0' },
      accessModes: spec.accessModes,
      volumeMode: 'Filesystem',
      persistentVolumeReclaimPolicy: (reclaimPolicy ?? 'Delete') as 'Delete' | 'Retain',
      storageClassName,
      ...(mountOptions && { mountOptions }),
      claimRef: { apiVersion: 'v1', kind, namespace, name: claimName, uid, resourceVersion },
      hostPath: { path, type: 'DirectoryOrCreate' },
      ...(node && { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [where] }] } } }),
    },
  };
}
