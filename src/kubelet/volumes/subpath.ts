/** A path inside a volume, never outside it, whatever links the volume holds. */
import { mkdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** Makes directories that are missing. Rejects when the path, links followed, leaves the volume. */
export async function resolveSubPath(volume: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/')) throw new Error(`subPath "${subPath}" must be a relative path`);
  if (subPath.split('/').includes('..')) throw new Error(`subPath "${subPath}" must not contain ".."`);
  const root = await realpath(volume);
  let path = root;
  for (const part of subPath.split('/').filter((each) => each !== '' && each !== '.')) {
    const next = join(path, part);
    path = await realpath(next).catch(async (error) => {
      if (error.code !== 'ENOENT') throw error;
      await mkdir(next, { mode: 0o750 }).catch((failure) => {
        throw new Error(
          `subPath "${subPath}" cannot be made: ${failure.code === 'EEXIST' ? 'it is a broken link' : failure.message}`,
        );
      });
      return next;
    });
    if (path !== root && !path.startsWith(root + sep)) throw new Error(`subPath "${subPath}" leaves its volume`);
  }
  return path;
}
