/** Sends an image to a registry: what it has already is skipped or taken over from a repository beside it; the manifest comes last. */
import type { LoadedImage } from '../catalog.ts';
import { formatReference, type Reference } from '../reference.ts';
import { type Descriptor, limits, mediaTypes } from '../spec.ts';
import { eachOf, type Transfer, unique } from './pull.ts';

/** `from` is a repository of the same registry that is known to have the blobs. Resolves with the manifest's digest. */
export async function pushImage(
  image: LoadedImage,
  to: Reference,
  from: string | undefined,
  transfer: Transfer,
): Promise<string> {
  const { store, client, signal } = transfer;
  const blobs = unique([...image.manifest.layers, image.manifest.config]);
  await eachOf(blobs, 3, (blob) => pushBlob(blob, from, transfer));
  const { digest, mediaType } = image.manifestDescriptor;
  const bytes = await store.bytes(digest, limits.manifest);
  const type = image.manifest.mediaType ?? (mediaType || mediaTypes.manifest);
  await client.pushManifest(to.digest ? digest : (to.tag ?? 'latest'), type, bytes, signal);
  if (to.digest && to.digest !== digest)
    throw new Error(`${formatReference(to)} was not pushed: the image for this platform has digest ${digest}`);
  return digest;
}

async function pushBlob(
  blob: Descriptor,
  from: string | undefined,
  { store, client, signal, onProgress }: Transfer,
): Promise<void> {
  const { digest, size } = blob;
  if (await client.hasBlob(digest, signal)) {
    onProgress?.({ digest, done: size, size, state: 'exists' });
    return;
  }
  onProgress?.({ digest, done: 0, size, state: 'pushing' });
  await client.pushBlob(blob, () => store.stream(digest), from, signal);
  onProgress?.({ digest, done: size, size, state: 'done' });
}
