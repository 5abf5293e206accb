/** The files of one log: those that rotation moved aside, as `<name>.<something that sorts by age>`, and the newest at its path. */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface LogFile {
  path: string;
  inode: number;
  /** When it was last written, milliseconds since the epoch. */
  writtenAt: number;
}

/** The oldest first. A file that rotation moves or removes meanwhile is there once or not at all. */
export async function logFiles(path: string): Promise<LogFile[]> {
  const directory = dirname(path);
  const names = (await readdir(directory)).filter((name) => name.startsWith(`${basename(path)}.`)).toSorted();
  const files: LogFile[] = [];
  for (const each of [...names.map((name) => join(directory, name)), path]) {
    const stats = await stat(each).catch(() => undefined);
    if (stats?.isFile() && !files.some(({ inode }) => inode === stats.ino))
      files.push({ path: each, inode: stats.ino, writtenAt: stats.mtimeMs });
  }
  return files;
}

/** The file after the one that is being read; undefined when that is the newest. */
export async function nextLogFile(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const current = (await file.stat()).ino;
  if ((await stat(path).catch(() => undefined))?.ino === current) return undefined;
  const files = await logFiles(path);
  // Removed as too old: all that are there are newer.
  const next = files[files.findIndex(({ inode }) => inode === current) + 1];
  return next && open(next.path, 'r').catch(() => undefined);
}
