/** The documents of the OCI image specification, as far as they are used here, read with care: they come from outside. */
import { ImageError } from './errors.ts';

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

export interface Descriptor {
  mediaType: string;
  digest: string;
  /** Bytes. */
  size: number;
  platform?: Platform;
  annotations?: Record<string, string>;
  artifactType?: string;
}

export interface Manifest {
  schemaVersion: 2;
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string>;
}

export interface Index {
  schemaVersion: 2;
  mediaType?: string;
  manifests: Descriptor[];
  annotations?: Record<string, string>;
}

export interface HealthConfig {
  Test?: string[];
  /** Nanoseconds. */
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

export interface ContainerDefaults {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  Volumes?: Record<string, object>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  Healthcheck?: HealthConfig;
  Shell?: string[];
  OnBuild?: string[];
}

export interface ImageConfig {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  variant?: string;
  config?: ContainerDefaults;
  rootfs: { type: 'layers'; diff_ids: string[] };
  history?: { created?: string; created_by?: string; author?: string; comment?: string; empty_layer?: boolean }[];
}

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

/** What a pull accepts for a manifest, most wanted first. */
export const manifestTypes: readonly string[] = [
  mediaTypes.index,
  mediaTypes.manifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
];

/** Bytes and counts beyond which a document is refused. */
export const limits = {
  manifest: 4 << 20,
  config: 8 << 20,
  layers: 256,
  /** Of one blob, compressed. */
  blob: 32 * 2 ** 30,
  /** Of one layer, uncompressed. */
  layer: 64 * 2 ** 30,
  /** Files in one layer. */
  entries: 4_000_000,
} as const;

const digestForm = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && digestForm.test(text);
}

function invalid(what: string, why: string): never {
  throw new ImageError('ErrImagePull', `${what}: ${why}`);
}

function parseJson(bytes: Uint8Array, what: string): Record<string, unknown> {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // told below
  }
  return invalid(what, 'it is not a JSON object');
}

function checkDescriptor(value: unknown, what: string): Descriptor {
  const descriptor = value as Descriptor | null;
  if (typeof descriptor !== 'object' || descriptor === null) return invalid(what, 'the descriptor is missing');
  if (!isDigest(descriptor.digest))
    return invalid(what, `the digest ${JSON.stringify(descriptor.digest)} is not sha256:<64 hex digits>`);
  if (!Number.isSafeInteger(descriptor.size) || descriptor.size < 0 || descriptor.size > limits.blob)
    return invalid(what, `the size ${JSON.stringify(descriptor.size)} is not between 0 and ${limits.blob} bytes`);
  return { ...descriptor, mediaType: typeof descriptor.mediaType === 'string' ? descriptor.mediaType : '' };
}

/** A manifest or an index: `kind` says which. `what` names it in errors. */
export type ManifestDocument = { kind: 'manifest'; manifest: Manifest } | { kind: 'index'; index: Index };

export function parseManifest(bytes: Uint8Array, what: string): ManifestDocument {
  const document = parseJson(bytes, what);
  if (document['schemaVersion'] === 1)
    return invalid(
      what,
      'it is a schema 1 manifest, which registries gave up; push the image again with a current tool',
    );
  if (Array.isArray(document['manifests'])) {
    const manifests = document['manifests'].map((entry, at) => checkDescriptor(entry, `${what}: manifests[${at}]`));
    return { kind: 'index', index: { ...(document as unknown as Index), manifests } };
  }
  if (!Array.isArray(document['layers'])) return invalid(what, 'it is neither an image manifest nor an image index');
  if (document['layers'].length > limits.layers) return invalid(what, `it has more than ${limits.layers} layers`);
  const config = checkDescriptor(document['config'], `${what}: config`);
  const layers = document['layers'].map((entry, at) => checkDescriptor(entry, `${what}: layers[${at}]`));
  return { kind: 'manifest', manifest: { ...(document as unknown as Manifest), config, layers } };
}

export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  const config = parseJson(bytes, what) as unknown as ImageConfig;
  const diffIds = config.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest))
    return invalid(what, 'rootfs.diff_ids is not a list of sha256 digests');
  if (diffIds.length > limits.layers) return invalid(what, `it has more than ${limits.layers} layers`);
  checkDefaults(config.config, what);
  return config;
}

function checkDefaults(defaults: ContainerDefaults | undefined | null, what: string): void {
  if (defaults === undefined || defaults === null) return;
  for (const field of ['Env', 'Entrypoint', 'Cmd', 'Shell', 'OnBuild'] as const) {
    const list = defaults[field] as unknown;
    if (
      list !== undefined &&
      list !== null &&
      !(Array.isArray(list) && list.every((entry) => typeof entry === 'string'))
    )
      invalid(what, `config.${field} is not a list of strings`);
  }
  for (const field of ['User', 'WorkingDir', 'StopSignal'] as const) {
    const text = defaults[field] as unknown;
    if (text !== undefined && text !== null && typeof text !== 'string')
      invalid(what, `config.${field} is not a string`);
  }
}
