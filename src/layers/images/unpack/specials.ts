/**
 * Device nodes, FIFOs and extended attributes: Node has no calls for them, GNU tar has. They are collected, written as a small
 * archive, and unpacked by one run of it.
 */
import { createReadStream, lstatSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { command, isMissing } from '../command.ts';
import type { TarEntry } from '../tar/header.ts';
import { type TarPart, tarEntry, writeTar } from '../tar/write.ts';

export type Special = Pick<TarEntry, 'type' | 'major' | 'minor' | 'xattrs'> & { file: string; entry?: TarEntry };

/** `file`s lie under `root`. Directories and files among them exist already and keep owner, mode, times and content. */
export async function makeSpecials(root: string, specials: readonly Special[], clock: Clock): Promise<void> {
  if (specials.length === 0) return;
  const argv = ['tar', '-x', '-p', '--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', root, '-f', '-'] as const;
  try {
    await command(argv, { clock, input: writeTar(parts(root, specials)), timeout: 600_000 });
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new Error(
      'GNU tar is needed to unpack whiteouts, device nodes and extended attributes; install the package "tar"',
      { cause: error },
    );
  }
}

function* parts(root: string, specials: readonly Special[]): Generator<TarPart> {
  for (const { file, entry, ...special } of specials) {
    const name = `./${path.relative(root, file)}`;
    if (special.type !== 'file' && special.type !== 'directory') {
      yield { entry: tarEntry({ mode: 0, ...entry, ...special, name, size: 0, linkname: '' }) };
      continue;
    }
    const stats = lstatSync(file);
    const size = special.type === 'file' ? stats.size : 0;
    yield {
      entry: tarEntry({
        ...special,
        name,
        size,
        mode: stats.mode & 0o7777,
        uid: stats.uid,
        gid: stats.gid,
        mtime: stats.mtimeMs / 1000,
      }),
      ...(size > 0 && { body: createReadStream(file) }),
    };
  }
}
