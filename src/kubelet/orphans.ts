/** Folders of pods that are no more: what a crash between a pod's end and its clean-up left behind. */
import { readdir, rm } from 'node:fs/promises';
import type { Context } from './options.ts';
import { tearDownVolumes } from './volumes/index.ts';

/** Removes what belongs to no pod in `alive` (uids). */
export async function removeOrphanFolders(
  { directory, images }: Pick<Context, 'directory' | 'images'>,
  alive: ReadonlySet<string>,
): Promise<void> {
  const names = async (path: string) => readdir(path).catch(() => [] as string[]);
  const folders = new Set([...(await names(`${directory}/pods`)), ...(await names(`${directory}/secrets`))]);
  for (const uid of folders) {
    if (alive.has(uid)) continue;
    await tearDownVolumes({ directory, images }, uid);
    await rm(`${directory}/pods/${uid}`, { recursive: true, force: true });
  }
  for (const name of await names(`${directory}/logs/pods`)) {
    const uid = name.slice(name.lastIndexOf('_') + 1);
    if (!alive.has(uid)) await rm(`${directory}/logs/pods/${name}`, { recursive: true, force: true });
  }
}
