/**
 * Garbage collection. What a name or a container's root filesystem needs stays; what nothing needs goes. When bytes are to be
 * freed beyond that, images go too, the one longest unused first, never one in use.
 */
import type { Catalog, LoadedImage } from './catalog.ts';
import type { Leases } from './leases.ts';
import { limits, parseManifest } from './spec.ts';
import type { RootFilesystems } from './rootfs.ts';
import type { Layers } from './unpack/layers.ts';

export interface CollectOptions {
  /** Ids of images that containers use. Those with a root filesystem here are known without being named. */
  inUse: readonly string[];
  /** Bytes to free by removing unused images; 0 or absent removes only what nothing refers to. */
  freeBytes?: number;
}

export interface Collected {
  /** Ids of the images removed. */
  images: string[];
  blobs: number;
  layers: number;
  /** Bytes given back, about: unpacked files are counted by content. */
  bytes: number;
}

export interface CollectorParts {
  catalog: Catalog;
  layers: Layers;
  rootfs: RootFilesystems;
  leases: Leases;
}

export async function collect(parts: CollectorParts, options: CollectOptions): Promise<Collected> {
  const used = await parts.rootfs.inUse();
  const keep = new Set([...options.inUse, ...used.imageIds]);
  const before = await parts.leases.oldest();
  const images = await dropImages(parts, keep, options.freeBytes ?? 0, before);
  const swept = await sweepContent(parts, used, before);
  return { images, ...swept };
}

async function dropImages(
  { catalog, layers }: CollectorParts,
  keep: Set<string>,
  freeBytes: number,
  before: number,
): Promise<string[]> {
  if (freeBytes <= 0) return [];
  const times = new Map((await catalog.store.list()).map((blob) => [blob.digest, blob.time]));
  const age = ({ image }: { image: LoadedImage }) => times.get(image.target.digest) ?? 0;
  const dropped: string[] = [];
  let freed = 0;
  const candidates = (await catalog.list()).filter((group) => !keep.has(group.image.id) && age(group) < before);
  for (const group of candidates.toSorted((a, b) => age(a) - age(b))) {
    if (freed >= freeBytes) break;
    for (const name of group.names) await catalog.names.remove(name);
    dropped.push(group.image.id);
    for (const [at, layer] of group.image.manifest.layers.entries())
      freed += layer.size + ((await layers.find(group.image.config.rootfs.diff_ids[at] ?? ''))?.size ?? 0);
  }
  return dropped;
}

async function sweepContent(
  { catalog, layers, rootfs }: CollectorParts,
  used: { imageIds: Set<string>; diffIds: Set<string> },
  before: number,
) {
  const reached = await reachable(catalog);
  const swept = { blobs: 0, layers: 0, bytes: 0 };
  for (const blob of await catalog.store.list()) {
    if (reached.blobs.has(blob.digest) || blob.time >= before) continue;
    await catalog.store.remove(blob.digest);
    swept.blobs += 1;
    swept.bytes += blob.size;
  }
  for (const layer of await layers.list()) {
    if (reached.diffIds.has(layer.diffId) || used.diffIds.has(layer.diffId) || layer.time >= before) continue;
    await layers.remove(layer.diffId);
    swept.layers += 1;
    swept.bytes += layer.size;
  }
  for (const id of await rootfs.listTrees())
    if (!reached.blobs.has(id) && !used.imageIds.has(id)) await rootfs.removeTree(id);
  catalog.forget();
  return swept;
}

/** Follows every name. An index keeps those of its manifests that are here; a document that cannot be read keeps nothing. */
async function reachable(catalog: Catalog): Promise<{ blobs: Set<string>; diffIds: Set<string> }> {
  const blobs = new Set<string>();
  const diffIds = new Set<string>();
  const todo = (await catalog.names.list()).map((named) => named.target.digest);
  for (let digest = todo.pop(); digest !== undefined; digest = todo.pop()) {
    if (blobs.has(digest) || (await catalog.store.size(digest)) === undefined) continue;
    blobs.add(digest);
    const document = parseManifest(await catalog.store.bytes(digest, limits.manifest), `manifest ${digest}`);
    if (document.kind === 'index') {
      todo.push(...document.index.manifests.map((each) => each.digest));
      continue;
    }
    const { config, layers } = document.manifest;
    for (const each of [config, ...layers]) blobs.add(each.digest);
    for (const diffId of await diffIdsOf(catalog, config.digest)) diffIds.add(diffId);
  }
  return { blobs, diffIds };
}

async function diffIdsOf(catalog: Catalog, config: string): Promise<string[]> {
  if ((await catalog.store.size(config)) === undefined) return [];
  const { rootfs } = JSON.parse((await catalog.store.bytes(config, limits.config)).toString('utf8')) as {
    rootfs?: { diff_ids?: string[] };
  };
  return rootfs?.diff_ids ?? [];
}
