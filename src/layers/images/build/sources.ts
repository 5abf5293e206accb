/** Where COPY reads from: a directory (the context, or another stage's files) and files that are made up. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { fileBody, type TarPart, tarEntry } from '../tar/write.ts';
import type { Ignore } from './patterns.ts';

export interface SourceFile {
  /** Relative to the source's root, without leading slash; '' is the root. */
  path: string;
  type: 'file' | 'directory' | 'symlink';
  mode: number;
  uid: number;
  gid: number;
  size: number;
  linkname: string;
  /** Absolute path, or the content. */
  from: string | Buffer;
}

const maximumFiles = 500_000;
const maximumLinks = 40;

/** The real components of a path inside `root`: links are followed as if `root` were `/`, and nothing leads out of it. */
export async function realInside(root: string, wanted: string): Promise<string> {
  const todo = wanted.split('/').filter((part) => part !== '' && part !== '.');
  const real: string[] = [];
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '..') {
      real.pop();
      continue;
    }
    real.push(part);
    const file = path.join(root, ...real);
    const info = await lstat(file).catch(() => undefined);
    if (!info?.isSymbolicLink()) continue;
    if (++links > maximumLinks) throw new Error(`there are too many symbolic links in ${JSON.stringify(wanted)}`);
    const target = await readlink(file);
    if (target.startsWith('/')) real.length = 0;
    else real.pop();
    todo.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'));
  }
  return real.join('/');
}

/** Everything at and below a path of a directory, parents before children, in the order of the names. Links are not followed. */
export async function listBelow(root: string, start: string, ignore: Ignore): Promise<SourceFile[]> {
  const found: SourceFile[] = [];
  const visit = async (relative: string): Promise<void> => {
    const file = path.join(root, relative);
    const info = await lstat(file);
    const type = info.isDirectory()
      ? 'directory'
      : info.isSymbolicLink()
        ? 'symlink'
        : info.isFile()
          ? 'file'
          : undefined;
    if (type === undefined) return; // sockets, FIFOs and devices are not copied
    if (relative === '' || type === 'directory' || !ignore(relative))
      found.push({
        path: relative,
        type,
        mode: type === 'symlink' ? 0o777 : info.mode & 0o7777,
        uid: info.uid,
        gid: info.gid,
        size: type === 'file' ? info.size : 0,
        linkname: type === 'symlink' ? await readlink(file) : '',
        from: file,
      });
    if (found.length > maximumFiles)
      throw new Error(`${root} holds more than ${maximumFiles} files; leave some out with a .dockerignore`);
    if (type === 'directory')
      for (const name of (await readdir(file)).toSorted()) await visit(path.join(relative, name));
  };
  await visit(start);
  return withoutEmptied(found, ignore);
}

/** An ignored directory stays only for what is below it and kept by an exception. */
function withoutEmptied(found: SourceFile[], ignore: Ignore): SourceFile[] {
  const needed = new Set<string>();
  for (const { path: at, type } of found)
    if (type !== 'directory' || !ignore(at))
      for (let up = path.dirname(at); up !== '.'; up = path.dirname(up)) needed.add(up);
  return found.filter(({ path: at, type }) => type !== 'directory' || at === '' || !ignore(at) || needed.has(at));
}

export function madeUp(at: string, content: string | Buffer, mode = 0o644): SourceFile {
  const bytes = Buffer.from(content);
  return { path: at, type: 'file', mode, uid: 0, gid: 0, size: bytes.length, linkname: '', from: bytes };
}

export interface Placing {
  /** Without leading slash. */
  to: string;
  uid: number;
  gid: number;
  mode?: number;
  /** Seconds since the epoch. */
  mtime: number;
}

export function partOf(file: SourceFile, { to, uid, gid, mode, mtime }: Placing): TarPart {
  const { type, size, linkname } = file;
  const entry = tarEntry({
    name: to,
    type,
    size,
    linkname,
    uid,
    gid,
    mtime,
    mode: type === 'symlink' ? 0o777 : (mode ?? file.mode),
  });
  if (type !== 'file' || size === 0) return { entry };
  return { entry, body: typeof file.from === 'string' ? fileBody(file.from) : once(file.from) };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** What a set of files is, for the cache: names, types, modes and contents, not times. */
export async function digestOfFiles(files: readonly SourceFile[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    hash.update(JSON.stringify([file.path, file.type, file.mode, file.size, file.linkname]));
    if (file.type !== 'file') continue;
    if (typeof file.from !== 'string') hash.update(file.from);
    else for await (const chunk of createReadStream(file.from)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
