/**
 * Layers, each unpacked once: `layers/<hex of diff id>/fs`, shared by all images and containers, never written to again. A
 * layer appears whole, by a rename, after its files are on disk.
 */
import { mkdir, readFile, readlink, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { command } from '../command.ts';
import { codeOf } from '../errors.ts';
import { listDirectory, sweep, syncDirectory } from '../files.ts';
import { workName } from '../liveness.ts';
import type { ContentStore } from '../store.ts';
import type { Applied } from './apply.ts';
import { type LayerSource, unpackLayer } from './unpack.ts';

export interface UnpackedLayer extends Applied {
  diffId: string;
  /** Milliseconds since the epoch when it was unpacked or last claimed. */
  time: number;
}

export class Layers {
  readonly root: string;
  readonly #work: string;
  readonly #store: ContentStore;
  readonly #clock: Clock;
  readonly #busy = new Map<string, Promise<void>>();

  private constructor(store: ContentStore, clock: Clock) {
    this.root = store.root;
    this.#work = path.join(store.root, 'unpacking');
    this.#store = store;
    this.#clock = clock;
  }

  static async open(store: ContentStore, clock: Clock): Promise<Layers> {
    const layers = new Layers(store, clock);
    await mkdir(path.join(layers.root, 'layers'), { recursive: true });
    await mkdir(path.join(layers.root, 'l'), { recursive: true });
    await sweep(layers.#work);
    return layers;
  }

  #home(diffId: string): string {
    return path.join(this.root, 'layers', diffId.slice('sha256:'.length));
  }

  pathOf(diffId: string): string {
    return path.join(this.#home(diffId), 'fs');
  }

  /** What it holds, or undefined when it is not unpacked. */
  async find(diffId: string): Promise<UnpackedLayer | undefined> {
    const file = path.join(this.#home(diffId), 'layer.json');
    try {
      const told = JSON.parse(await readFile(file, 'utf8')) as Applied;
      return { diffId, ...told, time: (await stat(file)).mtimeMs };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Unpacks what is missing, the lowest first. Several calls at once share the work. */
  async ensure(chain: readonly LayerSource[], signal?: AbortSignal): Promise<void> {
    for (const [at, layer] of chain.entries()) {
      const below = chain
        .slice(0, at)
        .toReversed()
        .map((lower) => this.pathOf(lower.diffId));
      const busy = this.#busy.get(layer.diffId);
      if (busy) await busy.catch(() => undefined);
      if (await this.#claim(layer.diffId)) continue;
      const work = this.#unpack(layer, below, signal).finally(() => this.#busy.delete(layer.diffId));
      this.#busy.set(layer.diffId, work);
      await work;
    }
  }

  async #claim(diffId: string): Promise<boolean> {
    const now = this.#clock.now() / 1000;
    try {
      await utimes(path.join(this.#home(diffId), 'layer.json'), now, now);
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async #unpack(layer: LayerSource, below: readonly string[], signal?: AbortSignal): Promise<void> {
    const draft = path.join(this.#work, workName());
    const content = path.join(draft, 'fs');
    try {
      await mkdir(content, { recursive: true, mode: 0o755 });
      const applied = await unpackLayer(this.#store, layer, content, {
        clock: this.#clock,
        mode: 'overlay',
        asRoot: true,
        below,
        ...(signal && { signal }),
      });
      const note = path.join(draft, 'layer.json');
      await writeFile(note, JSON.stringify(applied));
      await utimes(note, this.#clock.now() / 1000, this.#clock.now() / 1000);
      await flush(draft, this.#clock);
      await rename(draft, this.#home(layer.diffId)).catch(ignoreExisting);
      await syncDirectory(path.join(this.root, 'layers'));
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }

  /** A short path relative to `root`: the kernel takes one page of mount options, and a long chain would not fit. */
  async shortPath(diffId: string): Promise<string> {
    const hex = diffId.slice('sha256:'.length);
    const target = path.join('..', 'layers', hex, 'fs');
    for (const length of [8, 16, 64]) {
      const short = path.join('l', hex.slice(0, length));
      const link = path.join(this.root, short);
      await symlink(target, link).catch(ignoreExisting);
      if ((await readlink(link)) === target) return short;
    }
    throw new Error(`no short name is left for layer ${diffId}`);
  }

  async list(): Promise<UnpackedLayer[]> {
    const found: UnpackedLayer[] = [];
    for (const hex of await listDirectory(path.join(this.root, 'layers'))) {
      const layer = await this.find(`sha256:${hex}`);
      if (layer) found.push(layer);
    }
    return found;
  }

  /** The caller knows that nothing has it mounted. */
  async remove(diffId: string): Promise<void> {
    const draft = path.join(this.#work, workName());
    try {
      await rename(this.#home(diffId), draft);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    await rm(draft, { recursive: true, force: true });
  }
}

export function ignoreExisting(error: unknown): void {
  if (!['EEXIST', 'ENOTEMPTY'].includes(codeOf(error))) throw error;
}

/** Puts all of a file system on disk: far cheaper than each of ten thousand files. */
export async function flush(directory: string, clock: Clock): Promise<void> {
  const options = { clock, timeout: 600_000 };
  await command(['sync', '-f', directory], options).catch(() => command(['sync'], options));
}
