/** Writes tar streams. The same entries in the same order give the same bytes. */
import { createReadStream } from 'node:fs';
import { padding, type TarEntry, writeHeader } from './header.ts';

export interface TarPart {
  entry: TarEntry;
  /** Of a file: exactly `entry.size` bytes. */
  body?: AsyncIterable<Uint8Array>;
}

/** An entry with everything told that is not the default: root's, mode 644, at time 0, empty. */
export function tarEntry(entry: Partial<TarEntry> & { name: string }): TarEntry {
  const type = entry.type ?? 'file';
  return {
    type,
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    linkname: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
    ...entry,
  };
}

export async function* writeTar(parts: AsyncIterable<TarPart> | Iterable<TarPart>): AsyncGenerator<Buffer> {
  for await (const { entry, body } of parts) {
    yield writeHeader(entry);
    let size = 0;
    for await (const chunk of body ?? []) {
      size += chunk.byteLength;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
    if (size !== entry.size)
      throw new Error(
        `${entry.name} has ${size} bytes; it had ${entry.size} when it was looked at. Did it change meanwhile?`,
      );
    yield padding(size);
  }
  yield Buffer.alloc(1024);
}

/** A file whose content is in memory. */
export function filePart(name: string, content: string | Uint8Array, more: Partial<TarEntry> = {}): TarPart {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { entry: tarEntry({ ...more, name, size: bytes.byteLength }), body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}

/** The content of a file, opened when it is read. */
export async function* fileBody(file: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(file, { highWaterMark: 256 << 10 }) as AsyncIterable<Buffer>;
}
