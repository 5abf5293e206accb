/** A path of the node itself, checked or made as its type says. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import type { VolumePlugin } from './volume.ts';

const checks: Record<string, { is: (stats: Stats) => boolean; what: string }> = {
  Directory: { is: (stats) => stats.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { is: (stats) => stats.isDirectory(), what: 'a directory' },
  File: { is: (stats) => stats.isFile(), what: 'a file' },
  FileOrCreate: { is: (stats) => stats.isFile(), what: 'a file' },
  Socket: { is: (stats) => stats.isSocket(), what: 'a socket' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), what: 'a block device' },
};

export async function useHostPath(path: string, type: string): Promise<string> {
  if (path.split('/').includes('..')) throw new Error(`hostPath "${path}" must not contain ".."`);
  const check = checks[type];
  if (type !== '' && !check) throw new Error(`hostPath type "${type}" is not one of ${Object.keys(checks).join(', ')}`);
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate') await writeFile(path, '', { flag: 'a', mode: 0o644 });
  const stats = await stat(path).catch(() => undefined);
  if (!stats && type === '') {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } else if (!stats || (check && !check.is(stats))) {
    throw new Error(`hostPath type check failed: ${path} is not ${check?.what}`);
  }
  return path;
}

export const hostPathVolume: VolumePlugin = {
  name: 'hostPath',
  updates: false,
  async setUp({ hostPath }) {
    return { path: await useHostPath(hostPath?.path ?? '', hostPath?.type ?? ''), readOnly: false };
  },
};
