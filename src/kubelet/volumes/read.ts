/** Reads a file of a volume, without leaving the volume. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

const limit = 64 * 1024;

export async function readText(root: string | undefined, volume: string, path: string): Promise<string> {
  if (root === undefined) throw new Error(`cannot find the volume "${volume}" referenced by fileKeyRef`);
  const real = await realpath(join(root, path));
  if (!real.startsWith((await realpath(root)) + sep)) throw new Error(`path "${path}" leaves volume "${volume}"`);
  if ((await stat(real)).size > limit)
    throw new Error(`file "${path}" of volume "${volume}" is larger than ${limit} bytes`);
  return readFile(real, 'utf8');
}
