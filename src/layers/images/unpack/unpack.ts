/** A layer's blob, decompressed, verified against the image's configuration, and applied to a directory. */
import { createHash, type Hash } from 'node:crypto';
import { decompressed } from '../compression.ts';
import { ImageError, messageOf } from '../errors.ts';
import { limits } from '../spec.ts';
import type { ContentStore } from '../store.ts';
import { readTar } from '../tar/read.ts';
import { type Applied, type ApplyOptions, applyLayer } from './apply.ts';

export interface LayerSource {
  /** Of the blob. */
  digest: string;
  /** Of the uncompressed archive, as the image's configuration promises. */
  diffId: string;
}

/** Rejects with what is wrong; the caller throws the half-filled directory away. */
export async function unpackLayer(
  store: ContentStore,
  layer: LayerSource,
  root: string,
  options: ApplyOptions,
): Promise<Applied> {
  const hash = createHash('sha256');
  try {
    const applied = await applyLayer(readTar(hashed(decompressed(store.stream(layer.digest)), hash)), root, options);
    const got = `sha256:${hash.digest('hex')}`;
    if (got !== layer.diffId)
      throw new Error(`its content does not match the image's configuration: expected ${layer.diffId}, got ${got}`);
    return applied;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ImageError('ErrImagePull', `layer ${layer.digest} cannot be unpacked: ${messageOf(error)}`, error);
  }
}

async function* hashed(source: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limits.layer) throw new Error(`it has more than ${limits.layer} bytes uncompressed`);
    hash.update(chunk);
    yield chunk;
  }
}
