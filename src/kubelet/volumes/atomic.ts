/**
 * Files that change together: a reader sees all of the old ones or all of the new ones. They live in a directory with a
 * time in its name; `..data` points at it; the visible names point through `..data`; a change swaps that one link.
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface ProjectedFile {
  data: Buffer;
  /** Permission bits. */
  mode: number;
}

export interface Ownership {
  /** Group that may read, when the process may give files away. */
  group?: number;
  user?: number;
}

const present = '..data';

/** Paths are relative and never contain `..`; rejects when one does. */
export async function writeAtomically(
  directory: string,
  files: ReadonlyMap<string, ProjectedFile>,
  stamp: string,
  owner: Ownership = {},
): Promise<void> {
  for (const path of files.keys()) checkPath(path);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const old = await readlink(join(directory, present)).catch(() => undefined);
  if (old !== undefined && (await sameFiles(join(directory, old), files))) return;
  const name = `..${stamp}`;
  await writeFiles(join(directory, name), files, owner);
  const link = join(directory, '..data_tmp');
  await rm(link, { force: true });
  await symlink(name, link);
  await rename(link, join(directory, present));
  await showNames(directory, files);
  if (old !== undefined && old !== name) await rm(join(directory, old), { recursive: true, force: true });
}

function checkPath(path: string): void {
  if (path === '' || path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '')) {
    throw new Error(`path "${path}" must be relative and must not contain ".."`);
  }
  if (path.startsWith('..')) throw new Error(`path "${path}" must not start with ".."`);
}

async function sameFiles(directory: string, files: ReadonlyMap<string, ProjectedFile>): Promise<boolean> {
  const there = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  if (there.filter((entry) => entry.isFile()).length !== files.size) return false;
  for (const [path, { data, mode }] of files) {
    const [now, stat] = await Promise.all([
      readFile(join(directory, path)).catch(() => undefined),
      lstat(join(directory, path)).catch(() => undefined),
    ]);
    if (!now?.equals(data) || !stat || (stat.mode & 0o777) !== mode) return false;
  }
  return true;
}

async function writeFiles(
  directory: string,
  files: ReadonlyMap<string, ProjectedFile>,
  owner: Ownership,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  for (const [path, { data, mode }] of files) {
    const full = join(directory, path);
    await mkdir(dirname(full), { recursive: true, mode: 0o755 });
    await writeFile(full, data);
    await chmod(full, mode);
    if ((owner.group !== undefined || owner.user !== undefined) && process.getuid?.() === 0) {
      await chown(full, owner.user ?? 0, owner.group ?? 0);
    }
  }
}

async function showNames(directory: string, files: ReadonlyMap<string, ProjectedFile>): Promise<void> {
  const tops = new Set(Array.from(files.keys(), (path) => path.split('/')[0] as string));
  for (const name of await readdir(directory)) {
    if (!name.startsWith('..') && !tops.has(name)) await rm(join(directory, name), { recursive: true, force: true });
  }
  for (const name of tops) {
    const link = join(directory, name);
    const target = await readlink(link).catch(() => undefined);
    if (target === `${present}/${name}`) continue;
    await rm(link, { recursive: true, force: true });
    await symlink(`${present}/${name}`, link);
  }
}
