/** Files that are whole or absent, whatever happens meanwhile. */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from './errors.ts';
import { isAlive, workName } from './liveness.ts';

/** Makes a directory's entries durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Durable once resolved; a reader sees the old content or the new. `temporary` is a directory on the same file system. */
export async function writeWhole(file: string, content: string | Uint8Array, temporary: string): Promise<void> {
  const draft = path.join(temporary, workName());
  const handle = await open(draft, 'wx', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  await syncDirectory(path.dirname(file));
}

/** Removes what processes that are gone left in a working directory. */
export async function sweep(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory))
    if (!isAlive(name)) await rm(path.join(directory, name), { recursive: true, force: true });
}

export async function listDirectory(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
