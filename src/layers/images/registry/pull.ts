/** Brings an image's content from a registry into the store: documents first, then the layers that are missing, three at a time. */
import { ImageError } from '../errors.ts';
import { selectPlatform } from '../platform.ts';
import { formatReference, type Reference } from '../reference.ts';
import { type Descriptor, parseManifest, type Platform } from '../spec.ts';
import type { ContentStore } from '../store.ts';
import type { RegistryClient } from './client.ts';

export interface Progress {
  /** `sha256:…` of the layer; '' when a step has no layer. */
  digest: string;
  /** Bytes done, of `size`. */
  done: number;
  size: number;
  state: 'exists' | 'downloading' | 'done' | 'unpacking' | 'pushing';
}

export interface Transfer {
  store: ContentStore;
  client: RegistryClient;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

const atOnce = 3;

/** Resolves with what the reference points to; the content for `platform` is stored, under no name yet. */
export async function fetchImage(reference: Reference, platform: Platform, transfer: Transfer): Promise<Descriptor> {
  const { store, client, signal } = transfer;
  const what = formatReference(reference);
  const target = await client.manifestWith(reference.digest ?? reference.tag ?? 'latest', signal);
  let document = parseManifest(target.bytes, what);
  const documents = [target.bytes];
  if (document.kind === 'index') {
    const chosen = selectPlatform(document.index, platform, what);
    const { bytes } = await client.manifestWith(chosen.digest, signal);
    documents.push(bytes);
    document = parseManifest(bytes, what);
    if (document.kind === 'index') throw new ImageError('ErrImagePull', `${what} leads to an index inside an index`);
  }
  const { config, layers } = document.manifest;
  await fetchBlob(config, transfer);
  await eachOf(unique(layers), atOnce, (layer) => fetchBlob(layer, transfer));
  for (const bytes of documents.toReversed()) await store.ingestBytes(bytes);
  return { ...target.descriptor, mediaType: target.descriptor.mediaType || (document.manifest.mediaType ?? '') };
}

async function fetchBlob(descriptor: Descriptor, { store, client, signal, onProgress }: Transfer): Promise<void> {
  const { digest, size } = descriptor;
  if ((await store.size(digest)) === size && (await store.claim(digest))) {
    onProgress?.({ digest, done: size, size, state: 'exists' });
    return;
  }
  const what = `blob ${digest} of ${client.name}`;
  await store.ingest(reported(client.blob(descriptor, signal), descriptor, onProgress), {
    digest,
    size,
    what,
    ...(signal && { signal }),
  });
  onProgress?.({ digest, done: size, size, state: 'done' });
}

async function* reported(
  source: AsyncIterable<Buffer>,
  { digest, size }: Descriptor,
  onProgress: Transfer['onProgress'],
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of source) {
    done += chunk.length;
    onProgress?.({ digest, done, size, state: 'downloading' });
    yield chunk;
  }
}

export function unique(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((each) => [each.digest, each])).values()];
}

/** At most `count` at once; after a failure none is begun, and those under way are waited for. */
export async function eachOf<T>(items: readonly T[], count: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  let failed = false;
  const worker = async () => {
    for (let item = left.shift(); item !== undefined && !failed; item = left.shift()) {
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(count, items.length) }, worker));
  const broken = results.find((result) => result.status === 'rejected');
  if (broken) throw broken.reason;
}
