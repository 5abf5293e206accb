/** What a command changed: two views of the same files, before and after, compared by what `lstat` tells, as a layer's parts. */
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import path from 'node:path';
import { fileBody, type TarPart, tarEntry } from '../tar/write.ts';

/** In the order of the names. Times after `latest` (seconds) become it, so that equal builds give equal layers. */
export function* differences(before: string, after: string, latest: number): Generator<TarPart> {
  const links = new Map<number, string>();
  yield* walk('');

  function* walk(relative: string): Generator<TarPart> {
    const was = namesOf(path.join(before, relative));
    const is = namesOf(path.join(after, relative));
    for (const name of was)
      if (!is.has(name) && !isOurs(path.join(relative, name)))
        yield { entry: tarEntry({ name: path.join(relative, `.wh.${name}`), mtime: latest }) };
    for (const name of [...is].toSorted()) {
      const at = path.join(relative, name);
      if (isOurs(at)) continue;
      const now = lstatSync(path.join(after, at));
      const old = was.has(name) ? lstatSync(path.join(before, at)) : undefined;
      if (!old || changed(old, now, at)) yield partOf(at, now);
      const replaced = now.isDirectory() && old !== undefined && !old.isDirectory();
      if (replaced) yield { entry: tarEntry({ name: path.join(at, '.wh..wh..opq'), mtime: latest }) };
      if (now.isDirectory()) yield* walk(at);
    }
  }

  function changed(old: Stats, now: Stats, at: string): boolean {
    if (old.mode !== now.mode || old.uid !== now.uid || old.gid !== now.gid) return true;
    if (now.isDirectory()) return false;
    if (now.isSymbolicLink()) return readlinkSync(path.join(before, at)) !== readlinkSync(path.join(after, at));
    return old.size !== now.size || Math.floor(old.mtimeMs) !== Math.floor(now.mtimeMs);
  }

  function partOf(name: string, info: Stats): TarPart {
    const file = path.join(after, name);
    const common = {
      name,
      mode: info.mode & 0o7777,
      uid: info.uid,
      gid: info.gid,
      mtime: Math.min(Math.floor(info.mtimeMs / 1000), latest),
    };
    if (info.isDirectory()) return { entry: tarEntry({ ...common, type: 'directory' }) };
    if (info.isSymbolicLink()) return { entry: tarEntry({ ...common, type: 'symlink', linkname: readlinkSync(file) }) };
    if (!info.isFile()) return { entry: tarEntry({ ...common, type: 'fifo' }) };
    const twin = info.nlink > 1 ? links.get(info.ino) : undefined;
    if (twin) return { entry: tarEntry({ ...common, type: 'link', linkname: twin }) };
    links.set(info.ino, name);
    return { entry: tarEntry({ ...common, size: info.size }), ...(info.size > 0 && { body: fileBody(file) }) };
  }
}

/** Where runtimes mount things of their own. */
function isOurs(at: string): boolean {
  return /^(dev|proc|sys)\/|^etc\/(resolv\.conf|hosts|hostname)$/.test(at);
}

/** Sockets and devices that a command left are not kept. */
function namesOf(directory: string): Set<string> {
  try {
    const kept = readdirSync(directory, { withFileTypes: true }).filter(
      (entry) => entry.isFile() || entry.isDirectory() || entry.isSymbolicLink() || entry.isFIFO(),
    );
    return new Set(kept.map((entry) => entry.name));
  } catch {
    return new Set();
  }
}
