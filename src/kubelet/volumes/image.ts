/** The files of an image, to be read only. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { Container } from '../kinds.ts';
import type { ImageService } from '../runtime/services.ts';
import type { VolumePlugin } from './volume.ts';

/** A file for each such volume below the pod's directory, which holds the image's id: what was mounted once is not asked for again. */
const records = 'image-volumes';

export const imageVolume: VolumePlugin = {
  name: 'image',
  updates: false,
  async setUp(volume, { context, pod, podDirectory, pullImage }) {
    const { reference = '', pullPolicy } = volume.image!;
    const record = `${podDirectory}/${records}/${volume.name}`;
    const known = await readFile(record, 'utf8').catch(() => undefined);
    const id = known ?? (await pullImage(reference, pullPolicy as Container['imagePullPolicy'])).id;
    await mkdir(`${podDirectory}/${records}`, { recursive: true, mode: 0o711 });
    await writeFile(record, id);
    const path = await context.images.prepareRootfs(id, rootOf(pod.metadata.uid!, volume.name));
    return { path, readOnly: true, noExec: true };
  },
};

export async function removeImageVolumes(podDirectory: string, uid: string, images: ImageService): Promise<void> {
  for (const name of await readdir(`${podDirectory}/${records}`).catch(() => []))
    await images.removeRootfs(rootOf(uid, name));
}

function rootOf(uid: string, volume: string): string {
  return `volume-${uid}-${volume}`;
}
