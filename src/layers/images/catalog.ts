/** The images there are: names, the manifests they lead to, and what a container needs to know of each. */
import { ImageError } from './errors.ts';
import type { NamedImage, Names } from './names.ts';
import { formatPlatform, platformMatches, selectPlatform } from './platform.ts';
import { formatReference, parseImageId, parseReference } from './reference.ts';
import {
  type Descriptor,
  type ImageConfig,
  limits,
  type Manifest,
  parseConfig,
  parseManifest,
  type Platform,
} from './spec.ts';
import type { ContentStore } from './store.ts';
import type { LayerSource } from './unpack/unpack.ts';

/** As the kubelet and CRI know an image. */
export interface Image {
  /** `sha256:…` of the image's configuration. */
  id: string;
  /** `name@sha256:…` of the manifests it was pulled by. */
  repoDigests: string[];
  repoTags: string[];
  /** Bytes of its content as stored. */
  size: number;
  entrypoint: string[];
  cmd: string[];
  env: string[];
  /** '' when the image names none. */
  workingDir: string;
  /** `uid`, `uid:gid`, `name` or `name:group`; '' is root. */
  user: string;
  stopSignal: string;
  labels: Record<string, string>;
  /** `8080/tcp`. */
  exposedPorts: string[];
}

/** One platform of an image, read from the store. */
export interface LoadedImage {
  id: string;
  /** What its names point to: an index, or the manifest itself. */
  target: Descriptor;
  manifestDescriptor: Descriptor;
  manifest: Manifest;
  config: ImageConfig;
}

const remembered = 256;

export class Catalog {
  readonly store: ContentStore;
  readonly names: Names;
  readonly #platform: Platform;
  /** By target digest: content under a digest never changes. */
  readonly #loaded = new Map<string, LoadedImage>();

  constructor(store: ContentStore, names: Names, platform: Platform) {
    this.store = store;
    this.names = names;
    this.#platform = platform;
  }

  /** Reads what a manifest or index says. Rejects when its documents are not there, or are for another platform. */
  async load(target: Descriptor, platform: Platform = this.#platform): Promise<LoadedImage> {
    const key = `${target.digest} ${formatPlatform(platform)}`;
    const known = this.#loaded.get(key);
    if (known) return known;
    const loaded = await loadImage(this.store, target, platform);
    if (this.#loaded.size >= remembered) this.#loaded.delete(this.#loaded.keys().next().value ?? '');
    this.#loaded.set(key, loaded);
    return loaded;
  }

  /** By id, by name, or by `name@digest`; undefined when it is not here. */
  async find(text: string): Promise<LoadedImage | undefined> {
    const id = parseImageId(text);
    if (id) return this.#known(id) ?? (await this.#group()).get(id)?.image;
    const named = await this.names.get(formatReference(parseReference(text)));
    return named && (await this.#loadable(named));
  }

  /** Content that was read before stays true even when its names are gone. */
  #known(id: string): LoadedImage | undefined {
    for (const image of this.#loaded.values()) if (image.id === id) return image;
    return undefined;
  }

  /** As `find`, in the shape of CRI. */
  async status(text: string): Promise<Image | undefined> {
    const id = parseImageId(text);
    const groups = await this.#group();
    if (id) return shown(groups.get(id));
    const name = formatReference(parseReference(text));
    return shown([...groups.values()].find((group) => group.names.includes(name)));
  }

  async list(): Promise<{ image: LoadedImage; names: string[] }[]> {
    return [...(await this.#group()).values()];
  }

  async listImages(): Promise<Image[]> {
    return (await this.list()).map(describe);
  }

  async #group(): Promise<Map<string, { image: LoadedImage; names: string[] }>> {
    const groups = new Map<string, { image: LoadedImage; names: string[] }>();
    for (const named of await this.names.list()) {
      const image = await this.#loadable(named);
      if (!image) continue;
      const group = groups.get(image.id);
      if (group) group.names.push(named.name);
      else groups.set(image.id, { image, names: [named.name] });
    }
    return groups;
  }

  /** A name whose content is damaged or for another platform is as good as absent here: a pull repairs it. */
  async #loadable(named: NamedImage): Promise<LoadedImage | undefined> {
    try {
      return await this.load(named.target);
    } catch (error) {
      if (error instanceof ImageError) return undefined;
      throw error;
    }
  }

  forget(): void {
    this.#loaded.clear();
  }
}

async function loadImage(store: ContentStore, target: Descriptor, platform: Platform): Promise<LoadedImage> {
  const what = `manifest ${target.digest}`;
  let descriptor = target;
  let document = parseManifest(await store.bytes(target.digest, limits.manifest), what);
  if (document.kind === 'index') {
    descriptor = selectPlatform(document.index, platform, `image index ${target.digest}`);
    document = parseManifest(await store.bytes(descriptor.digest, limits.manifest), `manifest ${descriptor.digest}`);
    if (document.kind === 'index') throw new ImageError('ErrImagePull', `${what} leads to an index inside an index`);
  }
  const { manifest } = document;
  const config = parseConfig(
    await store.bytes(manifest.config.digest, limits.config),
    `image configuration ${manifest.config.digest}`,
  );
  checkImage(config, manifest, platform, what);
  return { id: manifest.config.digest, target, manifestDescriptor: descriptor, manifest, config };
}

function checkImage(config: ImageConfig, manifest: Manifest, platform: Platform, what: string): void {
  if (config.rootfs.diff_ids.length !== manifest.layers.length)
    throw new ImageError(
      'ErrImagePull',
      `${what} has ${manifest.layers.length} layers and its configuration ${config.rootfs.diff_ids.length}`,
    );
  const offered = {
    os: config.os ?? '',
    architecture: config.architecture ?? '',
    ...(config.variant && { variant: config.variant }),
  };
  if (!platformMatches(platform, offered))
    throw new ImageError(
      'ErrImagePull',
      `${what} is for ${formatPlatform(offered)}; wanted: ${formatPlatform(platform)}`,
    );
}

/** The layers, lowest first, with what their content must hash to. */
export function chainOf(image: LoadedImage): LayerSource[] {
  return image.manifest.layers.map((layer, at) => ({
    digest: layer.digest,
    diffId: image.config.rootfs.diff_ids[at] ?? '',
  }));
}

function shown(group: { image: LoadedImage; names: string[] } | undefined): Image | undefined {
  return group && describe(group);
}

export function describe({ image, names }: { image: LoadedImage; names: readonly string[] }): Image {
  const { manifest, manifestDescriptor, config } = image;
  const defaults = config.config ?? {};
  return {
    id: image.id,
    repoDigests: names.filter((name) => name.includes('@')),
    repoTags: names.filter((name) => !name.includes('@')),
    size: [manifestDescriptor, manifest.config, ...manifest.layers].reduce((sum, each) => sum + each.size, 0),
    entrypoint: defaults.Entrypoint ?? [],
    cmd: defaults.Cmd ?? [],
    env: defaults.Env ?? [],
    workingDir: defaults.WorkingDir ?? '',
    user: defaults.User ?? '',
    stopSignal: defaults.StopSignal ?? '',
    labels: defaults.Labels ?? {},
    exposedPorts: Object.keys(defaults.ExposedPorts ?? {}),
  };
}
