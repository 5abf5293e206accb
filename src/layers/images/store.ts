/**
 * The content store: `blobs/sha256/<hex>`, as in an OCI layout. A blob is there whole and verified, or not at all: it is
 * written under another name while its digest is computed, flushed, then renamed. Any number of processes may read and
 * write at once; what a killed one left half done is swept at the next start.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../../machinery/index.ts';
import { codeOf, ImageError } from './errors.ts';
import { listDirectory, sweep, syncDirectory } from './files.ts';
import { workName } from './liveness.ts';
import { isDigest, limits } from './spec.ts';

export interface Expectation {
  /** When given, anything else is refused. */
  digest?: string;
  /** Bytes; when given, anything else is refused. */
  size?: number;
  /** Bytes beyond which reading stops; 32 GiB unless told. */
  limit?: number;
  /** Names the content in errors. */
  what?: string;
  signal?: AbortSignal;
}

export interface Blob {
  digest: string;
  size: number;
}

export class ContentStore {
  readonly root: string;
  readonly ingestDirectory: string;
  readonly #blobs: string;
  readonly #clock: Clock;

  private constructor(root: string, clock: Clock) {
    this.root = root;
    this.ingestDirectory = path.join(root, 'ingest');
    this.#blobs = path.join(root, 'blobs', 'sha256');
    this.#clock = clock;
  }

  static async open(root: string, clock: Clock): Promise<ContentStore> {
    const store = new ContentStore(path.resolve(root), clock);
    await mkdir(store.#blobs, { recursive: true });
    await sweep(store.ingestDirectory);
    return store;
  }

  /** Where the blob is, or would be. */
  pathOf(digest: string): string {
    if (!isDigest(digest))
      throw new ImageError('ErrImagePull', `digest ${JSON.stringify(digest)} is not sha256:<64 hex digits>`);
    return path.join(this.#blobs, digest.slice('sha256:'.length));
  }

  /** The blob's size, or undefined when it is not there. */
  async size(digest: string): Promise<number | undefined> {
    try {
      return (await stat(this.pathOf(digest))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Whether it is there; says to the garbage collector of any process that it is wanted from now on. */
  async claim(digest: string): Promise<boolean> {
    const now = this.#clock.now() / 1000;
    try {
      await utimes(this.pathOf(digest), now, now);
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Stores a stream. Rejects, and leaves nothing, when digest or size differ from what was expected. */
  async ingest(source: AsyncIterable<Uint8Array>, expected: Expectation = {}): Promise<Blob> {
    const draft = path.join(this.ingestDirectory, workName());
    try {
      const blob = await this.#write(draft, source, expected);
      await rename(draft, this.pathOf(blob.digest));
      await syncDirectory(this.#blobs);
      return blob;
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async ingestBytes(bytes: Uint8Array, expected: Expectation = {}): Promise<Blob> {
    return await this.ingest(one(bytes), expected);
  }

  async #write(draft: string, source: AsyncIterable<Uint8Array>, expected: Expectation): Promise<Blob> {
    const what = expected.what ?? 'content';
    const limit = Math.min(expected.limit ?? limits.blob, expected.size ?? Number.MAX_SAFE_INTEGER);
    const hash = createHash('sha256');
    const handle = await open(draft, 'wx', 0o644);
    let size = 0;
    try {
      for await (const chunk of source) {
        expected.signal?.throwIfAborted();
        size += chunk.byteLength;
        if (size > limit)
          throw new ImageError('ErrImagePull', `${what} is larger than the ${limit} bytes allowed for it`);
        hash.update(chunk);
        for (let at = 0; at < chunk.byteLength; ) at += (await handle.write(chunk, at)).bytesWritten;
      }
      const digest = `sha256:${hash.digest('hex')}`;
      check(what, { digest, size }, expected);
      await handle.sync();
      const now = this.#clock.now() / 1000;
      await handle.utimes(now, now);
      return { digest, size };
    } finally {
      await handle.close();
    }
  }

  /** For documents: rejects when it is larger than `limit` bytes, or not there. */
  async bytes(digest: string, limit: number): Promise<Buffer> {
    const size = await this.size(digest);
    if (size === undefined)
      throw new ImageError('ErrImagePull', `blob ${digest} is not in the content store; pull the image again`);
    if (size > limit)
      throw new ImageError('ErrImagePull', `blob ${digest} has ${size} bytes; at most ${limit} are read as a document`);
    return await readFile(this.pathOf(digest));
  }

  stream(digest: string): Readable {
    return createReadStream(this.pathOf(digest), { highWaterMark: 64 << 10 });
  }

  async remove(digest: string): Promise<void> {
    await rm(this.pathOf(digest), { force: true });
  }

  /** Everything that is stored, with the time in milliseconds when it was stored or last claimed. */
  async list(): Promise<(Blob & { time: number })[]> {
    const found: (Blob & { time: number })[] = [];
    for (const name of await listDirectory(this.#blobs)) {
      const digest = `sha256:${name}`;
      if (!isDigest(digest)) continue;
      const info = await stat(path.join(this.#blobs, name)).catch(() => undefined);
      if (info) found.push({ digest, size: info.size, time: info.mtimeMs });
    }
    return found;
  }
}

function check(what: string, got: Blob, expected: Expectation): void {
  if (expected.size !== undefined && got.size !== expected.size)
    throw new ImageError('ErrImagePull', `${what} ended after ${got.size} bytes; ${expected.size} were announced`);
  if (expected.digest !== undefined && got.digest !== expected.digest)
    throw new ImageError(
      'ErrImagePull',
      `${what} does not match its digest: expected ${expected.digest}, got ${got.digest}; nothing of it was kept`,
    );
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
