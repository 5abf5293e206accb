/** Small images made by the tests themselves, as content and as archives. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { hostPlatform } from '../platform.ts';
import { type ContainerDefaults, type Descriptor, type ImageConfig, type Manifest, mediaTypes } from '../spec.ts';
import { filePart, type TarPart, tarEntry, writeTar } from '../tar/write.ts';

export interface MadeImage {
  blobs: Map<string, Buffer>;
  manifest: Descriptor;
  config: ImageConfig;
  id: string;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export async function tarOf(parts: Iterable<TarPart>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(parts)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const file = filePart;
export const directory = (name: string, mode = 0o755) => ({ entry: tarEntry({ name, type: 'directory', mode }) });
export const symlink = (name: string, linkname: string) => ({ entry: tarEntry({ name, type: 'symlink', linkname }) });
export const hardlink = (name: string, linkname: string) => ({ entry: tarEntry({ name, type: 'link', linkname }) });

const packers = { gzip: gzipSync, zstd: zstdCompressSync, none: (bytes: Buffer) => bytes };
const layerTypes = { gzip: mediaTypes.layerGzip, zstd: mediaTypes.layerZstd, none: mediaTypes.layer };

export async function makeImage(
  layers: Iterable<TarPart>[],
  options: { config?: ContainerDefaults; packing?: keyof typeof packers; architecture?: string } = {},
): Promise<MadeImage> {
  const blobs = new Map<string, Buffer>();
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const packing = options.packing ?? 'gzip';
  const archives = await Promise.all(layers.map(tarOf));
  const config: ImageConfig = {
    ...hostPlatform(),
    ...(options.architecture && { architecture: options.architecture }),
    config: options.config ?? {},
    rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
  };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: add(mediaTypes.config, Buffer.from(JSON.stringify(config))),
    layers: archives.map((archive) => add(layerTypes[packing], packers[packing](archive))),
  };
  return {
    blobs,
    manifest: add(mediaTypes.manifest, Buffer.from(JSON.stringify(manifest))),
    config,
    id: manifest.config.digest,
  };
}

/** A directory that goes with the test. */
export async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const made = await mkdtemp(path.join(tmpdir(), 'glasshouse-images-'));
  return { path: made, [Symbol.asyncDispose]: () => rm(made, { recursive: true, force: true }) };
}

export async function* chunksOf(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
