/** The image service: CRI's verbs for the kubelet, and push, import, export and collection for the command line. */
import { createHash } from 'node:crypto';
import { mkdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Random } from '../../machinery/index.ts';
import { exportArchive } from './archive/export.ts';
import { importArchive } from './archive/import.ts';
import { Catalog, chainOf, describe, type Image, type LoadedImage } from './catalog.ts';
import { ImageError, messageOf } from './errors.ts';
import { collect, type Collected, type CollectOptions } from './gc.ts';
import { Leases } from './leases.ts';
import { Names } from './names.ts';
import { formatPlatform, hostPlatform } from './platform.ts';
import { formatReference, parseImageId, parseReference, type Reference, repositoryName } from './reference.ts';
import { Denied, RegistryClient, type RegistryOptions } from './registry/client.ts';
import { credentialsFor, type RegistryAuth } from './registry/credentials.ts';
import { HttpClient } from './registry/http.ts';
import { fetchImage, type Progress } from './registry/pull.ts';
import { pushImage } from './registry/push.ts';
import { type RootfsDriver, RootFilesystems } from './rootfs.ts';
import type { Descriptor, Platform } from './spec.ts';
import { ContentStore } from './store.ts';
import { Layers } from './unpack/layers.ts';

export interface ImagesOptions {
  /** The directory that holds everything; made when missing. */
  root: string;
  clock: Clock;
  random: Random;
  /** What images are chosen for; this machine unless told. */
  platform?: Platform;
  /** How root filesystems are made; `auto` unless told. */
  driver?: RootfsDriver | 'auto';
  /** Registries (`host:port`) that may be spoken to without TLS. Those on the loopback always may. */
  insecureRegistries?: readonly string[];
  /** PEM certificates to trust, by registry (`host:port`). */
  certificates?: Readonly<Record<string, string>>;
  userAgent?: string;
  /** Milliseconds without a byte after which a connection is given up; 30,000 unless told. */
  idleTimeout?: number;
  /** Tries of a request that failed for a reason that may pass; 5 unless told. */
  attempts?: number;
  /** Milliseconds before the first repetition; 500 unless told. */
  retryDelay?: number;
}

export interface TransferOptions {
  auths?: readonly RegistryAuth[];
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

export interface PullOptions extends TransferOptions {
  /** Of another platform: stored, not unpacked. */
  platform?: Platform;
}

export interface FilesystemUsage {
  /** Milliseconds since the epoch. */
  timestamp: number;
  mountpoint: string;
  usedBytes: number;
  inodesUsed: number;
  /** Of the whole file system. */
  availableBytes: number;
  capacityBytes: number;
}

interface Shared {
  work: Promise<Image>;
  waiting: number;
  abort: AbortController;
}

export class Images {
  readonly catalog: Catalog;
  readonly store: ContentStore;
  readonly leases: Leases;
  readonly rootfs: RootFilesystems;
  readonly clock: Clock;
  readonly platform: Platform;
  readonly #layers: Layers;
  readonly #http: HttpClient;
  readonly #registry: RegistryOptions;
  readonly #pulls = new Map<string, Shared>();

  private constructor(
    parts: Pick<Images, 'catalog' | 'store' | 'leases' | 'rootfs' | 'clock' | 'platform'> & { layers: Layers },
    options: ImagesOptions,
  ) {
    this.catalog = parts.catalog;
    this.store = parts.store;
    this.leases = parts.leases;
    this.rootfs = parts.rootfs;
    this.clock = parts.clock;
    this.platform = parts.platform;
    this.#layers = parts.layers;
    const certificates = options.certificates ?? {};
    this.#registry = {
      clock: options.clock,
      random: options.random,
      attempts: options.attempts ?? 5,
      delay: options.retryDelay ?? 500,
      insecure: options.insecureRegistries ?? [],
      certificates,
    };
    this.#http = new HttpClient({
      clock: options.clock,
      userAgent: options.userAgent ?? 'glasshouse',
      idleTimeout: options.idleTimeout ?? 30_000,
      ca: (host) => certificates[host],
    });
  }

  /** Sweeps what killed processes left, keeps all that is whole. Starts no work of its own. */
  static async open(options: ImagesOptions): Promise<Images> {
    const { clock } = options;
    await mkdir(options.root, { recursive: true, mode: 0o711 });
    const store = await ContentStore.open(options.root, clock);
    const names = await Names.open(store.root, store.ingestDirectory);
    const layers = await Layers.open(store, clock);
    const rootfs = await RootFilesystems.open(store, layers, { clock, driver: options.driver ?? 'auto' });
    const platform = options.platform ?? hostPlatform();
    const leases = await Leases.open(store.root, clock);
    return new Images(
      { catalog: new Catalog(store, names, platform), store, leases, rootfs, clock, platform, layers },
      options,
    );
  }

  /**
   * Brings an image here and unpacks it. Rejects with `ImageError`. Credentials that fit are tried one after the other. Calls
   * at once with the same reference and credentials share the work; it ends early when all of them are aborted.
   */
  async pullImage(text: string, options: PullOptions = {}): Promise<Image> {
    const reference = parseReference(text);
    const platform = options.platform ?? this.platform;
    options.signal?.throwIfAborted();
    const auths = credentialsFor(reference, options.auths ?? []);
    const secret = createHash('sha256').update(JSON.stringify(auths)).digest('hex');
    const key = `${formatReference(reference)} ${formatPlatform(platform)} ${secret}`;
    let shared = this.#pulls.get(key);
    if (!shared) {
      const abort = new AbortController();
      const work = this.#pull(reference, auths, { ...options, platform, signal: abort.signal }).finally(() =>
        this.#pulls.delete(key),
      );
      shared = { work, waiting: 0, abort };
      this.#pulls.set(key, shared);
    }
    return await wait(shared, options.signal, () => this.#pulls.delete(key));
  }

  async #pull(
    reference: Reference,
    auths: RegistryAuth[],
    options: PullOptions & { platform: Platform },
  ): Promise<Image> {
    return await this.leases.during(async () => {
      const { signal, onProgress, platform } = options;
      const target = await this.#withCredentials(reference, auths, 'pull', (client) =>
        fetchImage(reference, platform, {
          client,
          store: this.store,
          ...(signal && { signal }),
          ...(onProgress && { onProgress }),
        }),
      );
      const image = await this.catalog.load(target, platform);
      if (formatPlatform(platform) === formatPlatform(this.platform)) {
        onProgress?.({ digest: '', done: 0, size: 0, state: 'unpacking' });
        await this.rootfs.unpack(image.id, chainOf(image), signal);
      }
      await this.nameImage(reference, target);
      return (
        (await this.catalog.status(formatReference(reference))) ??
        describe({ image, names: [formatReference(reference)] })
      );
    });
  }

  /** Tries the credentials in turn; without any, as nobody. */
  async #withCredentials<T>(
    reference: Reference,
    auths: RegistryAuth[],
    actions: 'pull' | 'pull,push',
    work: (client: RegistryClient) => Promise<T>,
  ): Promise<T> {
    let denied: unknown;
    for (const auth of auths.length > 0 ? auths : [undefined]) {
      try {
        return await work(new RegistryClient(this.#http, this.#registry, reference, auth, actions));
      } catch (error) {
        if (!(error instanceof Denied)) throw asImageError(error, reference);
        denied = error;
      }
    }
    throw denied;
  }

  /** Points the reference, and its repository by digest, to stored content. Durable once resolved. */
  async nameImage(reference: Reference, target: Descriptor): Promise<void> {
    await this.catalog.names.put(`${repositoryName(reference)}@${target.digest}`, target);
    if (reference.tag && !reference.digest) await this.catalog.names.put(formatReference(reference), target);
  }

  async imageStatus(text: string): Promise<Image | undefined> {
    return await this.catalog.status(text);
  }

  /** In the order of their first names. */
  async listImages(): Promise<Image[]> {
    return await this.catalog.listImages();
  }

  /**
   * By id: the image and all its names. By name: that name; its repository's digest too, once no other tag of the repository
   * stands for it. Content goes with the next collection. Repeating it succeeds.
   */
  async removeImage(text: string): Promise<void> {
    const id = parseImageId(text);
    const { names } = this.catalog;
    if (id) {
      for (const group of await this.catalog.list())
        if (group.image.id === id) for (const name of group.names) await names.remove(name);
      return;
    }
    const reference = parseReference(text);
    const named = await names.get(formatReference(reference));
    await names.remove(formatReference(reference));
    if (!named) return;
    const repository = repositoryName(reference);
    const others = (await names.list()).filter(
      (each) => each.target.digest === named.target.digest && each.name.startsWith(`${repository}:`),
    );
    if (others.length === 0) await names.remove(`${repository}@${named.target.digest}`);
  }

  /** Gives an image another name. */
  async tagImage(source: string, name: string): Promise<void> {
    const reference = parseReference(name);
    if (reference.digest)
      throw new ImageError(
        'InvalidImageName',
        `${JSON.stringify(name)} is a digest: only a tag can be given to an image`,
      );
    await this.nameImage(reference, (await this.#need(source)).target);
  }

  async #need(text: string): Promise<LoadedImage> {
    const image = await this.catalog.find(text);
    if (!image)
      throw new ImageError(
        'ErrImageNeverPull',
        `image ${JSON.stringify(text)} is not in the store; pull, import or build it first`,
      );
    return image;
  }

  async imageFsInfo(): Promise<FilesystemUsage> {
    const { root } = this.store;
    const [blobs, layers, disk] = await Promise.all([this.store.list(), this.#layers.list(), statfs(root)]);
    return {
      timestamp: this.clock.now(),
      mountpoint: root,
      usedBytes: [...blobs, ...layers].reduce((sum, each) => sum + each.size, 0),
      inodesUsed: blobs.length + layers.reduce((sum, layer) => sum + layer.inodes, 0),
      availableBytes: disk.bavail * disk.bsize,
      capacityBytes: disk.blocks * disk.bsize,
    };
  }

  /** A writable root filesystem for one container; the same path when repeated. */
  async prepareRootfs(imageId: string, containerId: string): Promise<string> {
    return await this.leases.using(async () => {
      const image = await this.#need(imageId);
      await this.store.claim(image.target.digest);
      return await this.rootfs.prepare(image.id, chainOf(image), containerId);
    });
  }

  async removeRootfs(containerId: string): Promise<void> {
    await this.rootfs.remove(containerId);
  }

  /** Sends an image, by any of its names or its id, under the name `to` (the same name unless told). Resolves with the manifest's digest. */
  async pushImage(source: string, options: TransferOptions & { to?: string } = {}): Promise<string> {
    const image = await this.#need(source);
    const to = parseReference(options.to ?? source);
    const from = await this.#neighbour(image, to);
    const { signal, onProgress } = options;
    return await this.#withCredentials(to, credentialsFor(to, options.auths ?? []), 'pull,push', (client) =>
      pushImage(image, to, from, {
        client,
        store: this.store,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      }),
    );
  }

  /** Another repository of the same registry that the image came from. */
  async #neighbour(image: LoadedImage, to: Reference): Promise<string | undefined> {
    for (const { name, target } of await this.catalog.names.list()) {
      const other = parseReference(name);
      if (target.digest === image.target.digest && other.registry === to.registry && other.repository !== to.repository)
        return other.repository;
    }
    return undefined;
  }

  /** Reads an OCI layout or a `docker save` archive (plain, gzip or zstd). `name` is for images that bring none. */
  async importArchive(
    source: AsyncIterable<Uint8Array>,
    options: { name?: string; signal?: AbortSignal } = {},
  ): Promise<Image[]> {
    return await this.leases.during(async () => {
      const found = await importArchive(this.store, source, options);
      const images: Image[] = [];
      for (const { reference, target } of found) {
        const image = await this.catalog.load(target);
        await this.rootfs.unpack(image.id, chainOf(image), options.signal);
        await this.nameImage(reference, target);
        images.push(
          (await this.catalog.status(formatReference(reference))) ??
            describe({ image, names: [formatReference(reference)] }),
        );
      }
      return images;
    });
  }

  /** One tar with all of them, readable as an OCI layout and by `docker load`. The same images give the same bytes. */
  async *exportArchive(texts: readonly string[]): AsyncGenerator<Buffer> {
    const chosen: { image: LoadedImage; name: string | undefined }[] = [];
    for (const text of texts) {
      const reference = parseImageId(text) ? undefined : parseReference(text);
      chosen.push({
        image: await this.#need(text),
        name: reference && !reference.digest ? formatReference(reference) : undefined,
      });
    }
    yield* exportArchive(this.store, chosen);
  }

  /** Removes what nothing needs; see `gc.ts`. */
  async collectGarbage(options: CollectOptions): Promise<Collected> {
    const { catalog, leases, rootfs } = this;
    return await leases.alone(() => collect({ catalog, leases, rootfs, layers: this.#layers }, options));
  }

  /** Where things lie, for messages. */
  get directory(): string {
    return path.resolve(this.store.root);
  }

  /** Closes connections; root filesystems stay mounted. */
  close(): void {
    for (const shared of this.#pulls.values())
      shared.abort.abort(new ImageError('ErrImagePull', 'the image service is closing'));
    this.#http.close();
  }
}

function asImageError(error: unknown, reference: Reference): unknown {
  if (error instanceof ImageError || (error as Error | undefined)?.name === 'AbortError') return error;
  return new ImageError('ErrImagePull', `${formatReference(reference)}: ${messageOf(error)}`, error);
}

/** Waits for shared work until one's own signal says otherwise; the last to leave ends it. */
async function wait(shared: Shared, signal: AbortSignal | undefined, forget: () => void): Promise<Image> {
  shared.waiting += 1;
  const gone = Promise.withResolvers<never>();
  const leave = () => gone.reject(signal?.reason);
  signal?.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([shared.work, gone.promise]);
  } finally {
    signal?.removeEventListener('abort', leave);
    shared.waiting -= 1;
    if (shared.waiting === 0 && signal?.aborted) {
      forget();
      shared.abort.abort(signal.reason);
      shared.work.catch(() => undefined);
    }
  }
}
