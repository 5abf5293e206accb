/**
 * Reads a tar stream entry by entry. Unlike the packages for it, extended attributes stay bytes (file capabilities are no
 * text), and everything that comes from the archive has a limit.
 */
import { blockSize, type EntryType, type RawHeader, readHeader, type TarEntry } from './header.ts';

export interface TarMember extends TarEntry {
  /** The content of a file; what is not read of it is skipped. Valid until the next entry is asked for. */
  body: AsyncIterable<Buffer>;
}

const types: Record<string, EntryType> = {
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
};
const maximumPax = 1 << 20;

/** Reads to the end of the stream, also past the end of the archive. Errors: plain `Error`s that say what is damaged. */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarMember> {
  const input = new Blocks(source);
  try {
    yield* entries(input);
    while ((await input.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  } finally {
    await input.close();
  }
}

async function* entries(input: Blocks): AsyncGenerator<TarMember> {
  const global = new Map<string, Buffer>();
  let extras = new Map<string, Buffer>();
  for (;;) {
    const block = await input.exactly(blockSize, true);
    const header = block && readHeader(block);
    if (!header) return;
    if (header.typeflag === 'S')
      throw new Error(`${JSON.stringify(header.name)} is a GNU sparse file, which is not supported`);
    if ('gxLK'.includes(header.typeflag)) {
      const body = await extension(input, header);
      if (header.typeflag === 'g') for (const [key, value] of paxRecords(body)) global.set(key, value);
      else if (header.typeflag === 'x') for (const [key, value] of paxRecords(body)) extras.set(key, value);
      else extras.set(header.typeflag === 'L' ? 'path' : 'linkpath', body.subarray(0, zeroOf(body)));
      continue;
    }
    const member = entryOf(header, new Map([...global, ...extras]));
    extras = new Map();
    if (member) yield* withBody(input, member);
    else await input.skip(padded(header.size));
  }
}

async function extension(input: Blocks, header: RawHeader): Promise<Buffer> {
  if (header.size > maximumPax)
    throw new Error(`an extended tar header has ${header.size} bytes; at most ${maximumPax} are read`);
  const body = await input.exactly(padded(header.size));
  return body.subarray(0, header.size);
}

function zeroOf(body: Buffer): number {
  const end = body.indexOf(0);
  return end < 0 ? body.length : end;
}

/** `<length> key=value\n`, one after the other. */
function* paxRecords(body: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, space < 0 ? at : space));
    const equals = body.indexOf(0x3d, space);
    if (!(length > 0) || equals < 0 || at + length > body.length) throw new Error('an extended tar header is damaged');
    yield [body.toString('utf8', space + 1, equals), body.subarray(equals + 1, at + length - 1)];
    at += length;
  }
}

function entryOf(header: RawHeader, extras: Map<string, Buffer>): TarEntry | undefined {
  const { typeflag, ...rest } = header;
  const type = types[typeflag];
  if (type === undefined) return undefined;
  const name = extras.get('path')?.toString() ?? rest.name;
  const number = (key: string, otherwise: number) => {
    const told = extras.get(key);
    const value = told === undefined ? otherwise : Number(told.toString('latin1'));
    if (!Number.isFinite(value))
      throw new Error(`${JSON.stringify(name)} has ${JSON.stringify(told?.toString())} as its ${key}`);
    return value;
  };
  const size = number('size', rest.size);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error(`${JSON.stringify(name)} has a size of ${size}`);
  if (extras.has('GNU.sparse.major') || extras.has('GNU.sparse.map'))
    throw new Error(`${JSON.stringify(name)} is a sparse file, which is not supported`);
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of extras)
    if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice('SCHILY.xattr.'.length), Buffer.from(value));
  return {
    ...rest,
    name,
    type: type === 'file' && name.endsWith('/') ? 'directory' : type,
    size: type === 'file' ? size : 0,
    uid: number('uid', rest.uid),
    gid: number('gid', rest.gid),
    mtime: number('mtime', rest.mtime),
    linkname: extras.get('linkpath')?.toString() ?? rest.linkname,
    xattrs,
  };
}

async function* withBody(input: Blocks, entry: TarEntry): AsyncGenerator<TarMember> {
  let left = entry.size;
  async function* body(): AsyncGenerator<Buffer> {
    while (left > 0) {
      const chunk = await input.some(left);
      if (chunk === undefined) throw new Error(`the archive ends in the middle of ${JSON.stringify(entry.name)}`);
      left -= chunk.length;
      yield chunk;
    }
  }
  yield { ...entry, body: body() };
  await input.skip(left + padded(entry.size) - entry.size);
}

function padded(size: number): number {
  return Math.ceil(size / blockSize) * blockSize;
}

/** Cuts a stream into the pieces that are asked for. */
class Blocks {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }

  /** At most `limit` bytes, at least one; undefined at the end. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#held.length === 0) if (!(await this.#more())) return undefined;
    const piece = this.#held.subarray(0, limit);
    this.#held = this.#held.subarray(piece.length);
    return piece;
  }

  async exactly(length: number): Promise<Buffer>;
  /** Undefined when the stream ends here. */
  async exactly(length: number, orEnd: true): Promise<Buffer | undefined>;
  async exactly(length: number, orEnd = false): Promise<Buffer | undefined> {
    while (this.#held.length < length) {
      if (await this.#more()) continue;
      if (orEnd && this.#held.length === 0) return undefined;
      throw new Error('the archive ends in the middle of an entry');
    }
    const piece = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return piece;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (piece === undefined) throw new Error('the archive ends in the middle of an entry');
      left -= piece.length;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
