/** What a layer or archive is packed with is read from its first bytes: media types are not always true. */
import { type Readable, Readable as Streams } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

export type Compression = 'gzip' | 'zstd' | 'none';

export function compressionOf(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd';
  return 'none';
}

/** The plain bytes of a stream that is gzip, zstd or neither. An error of the source reaches the reader. */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  try {
    const head = await atLeast(input, 4);
    const packing = compressionOf(head);
    const rest = prepend(head, input);
    if (packing === 'none') yield* rest;
    else
      yield* piped(
        rest,
        packing === 'gzip' ? createGunzip({ chunkSize: 64 << 10 }) : createZstdDecompress({ chunkSize: 64 << 10 }),
      );
  } finally {
    await input.return?.();
  }
}

async function* piped(source: AsyncIterable<Buffer>, through: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
  const from = Streams.from(source, { objectMode: false, highWaterMark: 64 << 10 });
  from.on('error', (error) => (through as unknown as Readable).destroy(error));
  try {
    yield* from.pipe(through) as unknown as AsyncIterable<Buffer>;
  } finally {
    from.destroy();
    (through as unknown as Readable).destroy();
  }
}

async function atLeast(input: AsyncIterator<Uint8Array>, bytes: number): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < bytes) {
    const next = await input.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* prepend(head: Buffer, input: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  for (let next = await input.next(); !next.done; next = await input.next())
    yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
}
