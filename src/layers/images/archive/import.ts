/**
 * Reads an archive of images as it comes by: an OCI layout, or what `docker save` writes, in any order of its files, packed
 * with gzip, zstd or not. Content goes to the store at once, verified; what an archive turns out not to need is left to the
 * garbage collector.
 */
import { decompressed } from '../compression.ts';
import { ImageError, messageOf } from '../errors.ts';
import { parseReference, type Reference } from '../reference.ts';
import { type Descriptor, limits, type Manifest, mediaTypes, parseConfig, parseManifest } from '../spec.ts';
import type { Blob, ContentStore } from '../store.ts';
import { readTar, type TarMember } from '../tar/read.ts';
import { components } from '../unpack/tree.ts';

export interface Imported {
  reference: Reference;
  target: Descriptor;
}

interface Contents {
  /** What each path of the archive held. */
  blobs: Map<string, Blob>;
  /** Paths that stand for others. */
  links: Map<string, string>;
  documents: Map<string, Buffer>;
}

interface SavedImage {
  Config?: unknown;
  RepoTags?: unknown;
  Layers?: unknown;
}

/** Rejects with `ImageError` that names the file of the archive that is wrong. */
export async function importArchive(
  store: ContentStore,
  source: AsyncIterable<Uint8Array>,
  options: { name?: string; signal?: AbortSignal },
): Promise<Imported[]> {
  const contents: Contents = { blobs: new Map(), links: new Map(), documents: new Map() };
  try {
    for await (const member of readTar(decompressed(source))) {
      options.signal?.throwIfAborted();
      await take(store, member, contents, options.signal);
    }
  } catch (error) {
    if (error instanceof ImageError || options.signal?.aborted) throw error;
    throw new ImageError('ErrImagePull', `the image archive cannot be read: ${messageOf(error)}`, error);
  }
  const given = options.name === undefined ? undefined : parseReference(options.name);
  const saved = contents.documents.get('manifest.json');
  const index = contents.documents.get('index.json');
  const found = index ? fromLayout(index, saved, given) : saved ? await fromSaved(store, saved, contents, given) : [];
  if (found.length === 0)
    throw new ImageError(
      'ErrImagePull',
      'the archive holds no image: neither index.json (an OCI layout) nor manifest.json (docker save) names one',
    );
  return found;
}

async function take(store: ContentStore, member: TarMember, contents: Contents, signal?: AbortSignal): Promise<void> {
  const name = components(member.name).join('/');
  if (member.type === 'link') contents.links.set(name, components(member.linkname).join('/'));
  else if (member.type === 'symlink') contents.links.set(name, beside(name, member.linkname));
  if (member.type !== 'file') return;
  if (name === 'manifest.json' || name === 'index.json') {
    contents.documents.set(name, await whole(member));
    return;
  }
  const digest = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
  const expected = {
    size: member.size,
    what: `${name} of the archive`,
    ...(digest && { digest: `sha256:${digest}` }),
    ...(signal && { signal }),
  };
  contents.blobs.set(name, await store.ingest(member.body, expected));
}

async function whole(member: TarMember): Promise<Buffer> {
  if (member.size > limits.manifest)
    throw new Error(`${member.name} has ${member.size} bytes; at most ${limits.manifest} are read`);
  const chunks: Buffer[] = [];
  for await (const chunk of member.body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function beside(name: string, target: string): string {
  const parts = name.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const nameKeys = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];

function fromLayout(bytes: Buffer, saved: Buffer | undefined, given: Reference | undefined): Imported[] {
  const document = parseManifest(bytes, 'index.json of the archive');
  if (document.kind !== 'index') throw new ImageError('ErrImagePull', 'index.json of the archive is no image index');
  const { manifests } = document.index;
  const only = manifests.length === 1 ? savedTags(saved) : [];
  return manifests.flatMap((target) => {
    const { annotations = {}, platform: _, ...plain } = target;
    const text =
      nameKeys.map((key) => annotations[key]).find((each) => each !== undefined && isFullName(each)) ?? only[0];
    const tag = annotations['org.opencontainers.image.ref.name'];
    const reference = given ?? (text === undefined ? undefined : parseReference(text));
    if (reference) return [{ reference, target: plain }];
    const told = tag === undefined ? 'an image without a name' : `an image with only the tag ${JSON.stringify(tag)}`;
    throw new ImageError('InvalidImageName', `the archive holds ${told}; say which name it gets`);
  });
}

/** Layouts written by some tools keep a bare tag where others keep a full name. */
function isFullName(text: string): boolean {
  return text.includes('/') || text.includes(':');
}

function savedTags(saved: Buffer | undefined): string[] {
  const entries = saved ? (JSON.parse(saved.toString('utf8')) as SavedImage[]) : [];
  return Array.isArray(entries) ? strings(entries[0]?.RepoTags) : [];
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

async function fromSaved(
  store: ContentStore,
  bytes: Buffer,
  contents: Contents,
  given: Reference | undefined,
): Promise<Imported[]> {
  let entries: unknown;
  try {
    entries = JSON.parse(bytes.toString('utf8'));
  } catch {
    entries = undefined;
  }
  if (!Array.isArray(entries)) throw new ImageError('ErrImagePull', 'manifest.json of the archive is not a list');
  const found: Imported[] = [];
  for (const entry of entries as SavedImage[]) {
    const target = await manifestFor(store, entry, contents);
    const tags = given ? [given] : strings(entry.RepoTags).map((tag) => parseReference(tag));
    if (tags.length === 0)
      throw new ImageError('InvalidImageName', 'the archive holds an image without a name; say which name it gets');
    found.push(...tags.map((reference) => ({ reference, target })));
  }
  return found;
}

/** `docker save` brings a configuration and layers, and no manifest. The one made here depends on nothing else. */
async function manifestFor(store: ContentStore, entry: SavedImage, contents: Contents): Promise<Descriptor> {
  const config = blobAt(contents, String(entry.Config));
  parseConfig(await store.bytes(config.digest, limits.config), `${String(entry.Config)} of the archive`);
  const layers: Descriptor[] = [];
  for (const name of strings(entry.Layers)) layers.push({ mediaType: mediaTypes.layer, ...blobAt(contents, name) });
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...config },
    layers,
  };
  const stored = await store.ingestBytes(Buffer.from(JSON.stringify(manifest)));
  return { mediaType: mediaTypes.manifest, ...stored };
}

function blobAt(contents: Contents, name: string): Blob {
  let at = name.replace(/^\.?\//, '');
  for (let count = 0; count < 8; count += 1) {
    const blob = contents.blobs.get(at);
    if (blob) return { digest: blob.digest, size: blob.size };
    at = contents.links.get(at) ?? '';
  }
  throw new ImageError(
    'ErrImagePull',
    `the archive has no file ${JSON.stringify(name)}, which its manifest.json names`,
  );
}
