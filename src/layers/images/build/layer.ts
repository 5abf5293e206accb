/** Makes layers: the same parts give the same bytes, whoever builds them and when. And remembers which step gave which. */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PassThrough } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { codeOf } from '../errors.ts';
import { writeWhole } from '../files.ts';
import { type Descriptor, isDigest, mediaTypes } from '../spec.ts';
import type { ContentStore } from '../store.ts';
import { type TarPart, writeTar } from '../tar/write.ts';

export interface BuiltLayer {
  descriptor: Descriptor;
  diffId: string;
}

/** `zstd` for what is large and stays here, `gzip` for what every registry and engine reads. */
export async function makeLayer(
  store: ContentStore,
  parts: Iterable<TarPart> | AsyncIterable<TarPart>,
  packing: 'gzip' | 'zstd',
): Promise<BuiltLayer> {
  const hash = createHash('sha256');
  const packer =
    packing === 'gzip'
      ? createGzip({ level: 6 })
      : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const packed = new PassThrough();
  const source = async function* () {
    for await (const chunk of writeTar(parts)) {
      if (chunk.length === 0) continue;
      hash.update(chunk);
      yield chunk;
    }
  };
  const written = pipeline(source, packer, packed);
  written.catch((error: Error) => packed.destroy(error));
  const blob = await store.ingest(packed);
  await written;
  const mediaType = packing === 'gzip' ? mediaTypes.layerGzip : mediaTypes.layerZstd;
  return { descriptor: { mediaType, ...blob }, diffId: `sha256:${hash.digest('hex')}` };
}

/** Which layer a step gave, by everything that the step depends on. An entry whose content was collected is none. */
export class StepCache {
  readonly #directory: string;
  readonly #store: ContentStore;

  constructor(store: ContentStore) {
    this.#store = store;
    this.#directory = path.join(store.root, 'steps');
  }

  async recall(key: string): Promise<BuiltLayer | undefined> {
    try {
      const layer = JSON.parse(await readFile(path.join(this.#directory, key), 'utf8')) as BuiltLayer;
      return isDigest(layer.diffId) && (await this.#store.claim(layer.descriptor.digest)) ? layer : undefined;
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async remember(key: string, layer: BuiltLayer): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await writeWhole(path.join(this.#directory, key), JSON.stringify(layer), this.#store.ingestDirectory);
  }
}

export function keyOf(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
