/** Writes images as one tar that is both an OCI layout and what `docker load` reads. */
import type { LoadedImage } from '../catalog.ts';
import { type Descriptor, type Index, mediaTypes } from '../spec.ts';
import type { ContentStore } from '../store.ts';
import { filePart, type TarPart, tarEntry, writeTar } from '../tar/write.ts';

export interface Chosen {
  image: LoadedImage;
  /** Full name by tag; undefined for one that has none. */
  name: string | undefined;
}

/** Of each image the platform that is here. Blobs in the order of their digests, everything at time 0. */
export async function* exportArchive(store: ContentStore, chosen: readonly Chosen[]): AsyncGenerator<Buffer> {
  const blobs = new Map<string, Descriptor>();
  for (const { image } of chosen)
    for (const each of [image.manifestDescriptor, image.manifest.config, ...image.manifest.layers])
      blobs.set(each.digest, each);
  yield* writeTar(
    parts(
      store,
      chosen,
      [...blobs.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
    ),
  );
}

function* parts(store: ContentStore, chosen: readonly Chosen[], blobs: readonly Descriptor[]): Generator<TarPart> {
  for (const name of ['blobs', 'blobs/sha256']) yield { entry: tarEntry({ name, type: 'directory' }) };
  for (const { digest, size } of blobs)
    yield { entry: tarEntry({ name: pathOf(digest), size }), body: store.stream(digest) };
  yield filePart('index.json', JSON.stringify(indexOf(chosen)));
  yield filePart('manifest.json', JSON.stringify(savedOf(chosen)));
  yield filePart('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

function pathOf(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function indexOf(chosen: readonly Chosen[]): Index {
  const manifests = chosen.map(({ image, name }) => {
    const { digest, size } = image.manifestDescriptor;
    const mediaType = image.manifest.mediaType ?? image.manifestDescriptor.mediaType ?? mediaTypes.manifest;
    const tag = name?.slice(name.lastIndexOf(':') + 1);
    const annotations =
      name && tag ? { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag } : undefined;
    return { mediaType: mediaType || mediaTypes.manifest, digest, size, ...(annotations && { annotations }) };
  });
  return { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
}

function savedOf(chosen: readonly Chosen[]) {
  return chosen.map(({ image, name }) => ({
    Config: pathOf(image.manifest.config.digest),
    RepoTags: name ? [name] : [],
    Layers: image.manifest.layers.map((layer) => pathOf(layer.digest)),
  }));
}
