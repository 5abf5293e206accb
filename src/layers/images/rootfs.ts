/**
 * Root filesystems: a writable one for each container. As root on Linux an overlay mount on the image's unpacked layers;
 * elsewhere, or where overlayfs refuses (itself on an overlay, no permission), a copy of the image's files. A copy uses
 * reflinks where the file system has them. Without privileges, large programs (1 MiB and more, executable) are shared between
 * copies by hard links to one file that nobody may write: a container that wants to change such a program in place gets
 * "permission denied" and has to replace it, as package managers do. Nothing that can be written is ever shared.
 */
import {
  chmod,
  copyFile,
  link,
  lstat,
  lutimes,
  lchown,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { constants } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../machinery/index.ts';
import { command } from './command.ts';
import { codeOf, messageOf } from './errors.ts';
import { listDirectory, sweep, syncDirectory } from './files.ts';
import { workName } from './liveness.ts';
import type { ContentStore } from './store.ts';
import { flush, ignoreExisting, type Layers } from './unpack/layers.ts';
import { type LayerSource, unpackLayer } from './unpack/unpack.ts';

export type RootfsDriver = 'overlay' | 'copy';

export interface RootfsOptions {
  clock: Clock;
  /** `auto` asks the system once. */
  driver: RootfsDriver | 'auto';
}

const shareable = 1 << 20;

export class RootFilesystems {
  readonly #store: ContentStore;
  readonly #layers: Layers;
  readonly #options: RootfsOptions;
  #driver: Promise<RootfsDriver> | undefined;
  readonly #busy = new Map<string, Promise<unknown>>();

  private constructor(store: ContentStore, layers: Layers, options: RootfsOptions) {
    this.#store = store;
    this.#layers = layers;
    this.#options = options;
  }

  static async open(store: ContentStore, layers: Layers, options: RootfsOptions): Promise<RootFilesystems> {
    const made = new RootFilesystems(store, layers, options);
    for (const name of ['containers', 'trees'])
      await mkdir(path.join(store.root, name), { recursive: true, mode: 0o711 });
    await sweep(path.join(store.root, 'copying'));
    return made;
  }

  driver(): Promise<RootfsDriver> {
    this.#driver ??= this.#options.driver === 'auto' ? this.#probe() : Promise.resolve(this.#options.driver);
    return this.#driver;
  }

  /** Whether a mount works can only be known by mounting. */
  async #probe(): Promise<RootfsDriver> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'copy';
    const place = path.join(this.#store.root, 'copying', workName());
    for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(path.join(place, name), { recursive: true });
    try {
      await this.#mount(['lower'], place, place);
      await this.#unmount(path.join(place, 'merged'));
      return 'overlay';
    } catch {
      return 'copy';
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  }

  /** Unpacks what is missing of an image. */
  async unpack(imageId: string, chain: readonly LayerSource[], signal?: AbortSignal): Promise<void> {
    if ((await this.driver()) === 'overlay') await this.#layers.ensure(chain, signal);
    else await this.#once(`tree ${imageId}`, () => this.#plant(imageId, chain, signal));
  }

  /** All layers in one directory, for copying. */
  async #plant(imageId: string, chain: readonly LayerSource[], signal?: AbortSignal): Promise<void> {
    const tree = this.#treeOf(imageId);
    if (await exists(tree)) return;
    const draft = path.join(this.#store.root, 'copying', workName());
    try {
      await mkdir(draft, { mode: 0o755 });
      const asRoot = process.getuid?.() === 0;
      for (const layer of chain)
        await unpackLayer(this.#store, layer, draft, {
          clock: this.#options.clock,
          mode: 'plain',
          asRoot,
          below: [],
          ...(signal && { signal }),
        });
      if (!asRoot) await forbidWriting(draft);
      await flush(draft, this.#options.clock);
      await rename(draft, tree).catch(ignoreExisting);
      await syncDirectory(path.dirname(tree));
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }

  #treeOf(imageId: string): string {
    return path.join(this.#store.root, 'trees', imageId.slice('sha256:'.length));
  }

  #home(containerId: string): string {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}$/.test(containerId))
      throw new Error(`container id ${JSON.stringify(containerId)} may hold only letters, digits, "_", "." and "-"`);
    return path.join(this.#store.root, 'containers', containerId);
  }

  /** A writable root filesystem; the same one when repeated, mounted again after a restart of the machine. */
  async prepare(imageId: string, chain: readonly LayerSource[], containerId: string): Promise<string> {
    const home = this.#home(containerId);
    return await this.#once(`container ${containerId}`, async () => {
      await this.#record(home, imageId, chain);
      await this.unpack(imageId, chain);
      const merged = path.join(home, 'merged');
      if ((await this.driver()) === 'copy') {
        if (!(await exists(merged))) await this.#copy(this.#treeOf(imageId), home);
        return merged;
      }
      if (await isMounted(merged)) return merged;
      for (const name of ['upper', 'work', 'merged'])
        await mkdir(path.join(home, name), { recursive: true, mode: 0o755 });
      await this.#mountChain(chain, home);
      return merged;
    });
  }

  /** Before anything is made: the collector must not take what is about to be used. */
  async #record(home: string, imageId: string, chain: readonly LayerSource[]): Promise<void> {
    const record = JSON.stringify({ imageId, diffIds: chain.map((layer) => layer.diffId) });
    const file = path.join(home, 'image.json');
    if ((await readFile(file, 'utf8').catch(() => undefined)) === record) return;
    await mkdir(home, { recursive: true, mode: 0o711 });
    const draft = path.join(this.#store.root, 'copying', workName());
    await writeFile(draft, record);
    await rename(draft, file);
  }

  async #mountChain(chain: readonly LayerSource[], home: string): Promise<void> {
    const lower = await Promise.all(chain.map((layer) => this.#layers.shortPath(layer.diffId)));
    if (lower.length === 0) {
      await mkdir(path.join(home, 'empty'), { recursive: true });
      lower.push(path.relative(this.#store.root, path.join(home, 'empty')));
    }
    await this.#mount(lower.toReversed(), home, this.#store.root);
  }

  /** `lower` is relative to `from`, the topmost first. */
  async #mount(lower: readonly string[], home: string, from: string): Promise<void> {
    const here = (name: string) => path.relative(from, path.join(home, name));
    const options = `lowerdir=${lower.join(':')},upperdir=${here('upper')},workdir=${here('work')}`;
    if (options.length > 4000) throw new Error(`the image has too many layers for one overlay mount (${lower.length})`);
    const { clock } = this.#options;
    await command(['mount', '-t', 'overlay', 'overlay', '-o', options, path.join(home, 'merged')], {
      clock,
      cwd: from,
      timeout: 20_000,
    });
  }

  async #unmount(merged: string): Promise<void> {
    await command(['umount', '-l', merged], { clock: this.#options.clock, timeout: 20_000 });
  }

  async #copy(tree: string, home: string): Promise<void> {
    const draft = path.join(this.#store.root, 'copying', workName());
    try {
      await copyTree(tree, draft);
      await mkdir(home, { recursive: true });
      await rename(draft, path.join(home, 'merged'));
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }

  /** Repeating it succeeds. */
  async remove(containerId: string): Promise<void> {
    const home = this.#home(containerId);
    await this.#once(`container ${containerId}`, async () => {
      const merged = path.join(home, 'merged');
      if (await isMounted(merged)) await this.#unmount(merged);
      if (await isMounted(merged))
        throw new Error(`${merged} is still mounted: removing it would remove files elsewhere`);
      await openDirectories(home);
      await rm(home, { recursive: true, force: true });
    });
  }

  /** Containers that have a root filesystem. */
  async list(): Promise<string[]> {
    return await listDirectory(path.join(this.#store.root, 'containers'));
  }

  /** What the root filesystems are made of, also those of an earlier run. */
  async inUse(): Promise<{ imageIds: Set<string>; diffIds: Set<string> }> {
    const used = { imageIds: new Set<string>(), diffIds: new Set<string>() };
    for (const id of await this.list()) {
      const text = await readFile(path.join(this.#store.root, 'containers', id, 'image.json'), 'utf8').catch(
        () => undefined,
      );
      if (text === undefined) continue;
      const told = JSON.parse(text) as { imageId: string; diffIds: string[] };
      used.imageIds.add(told.imageId);
      for (const diffId of told.diffIds) used.diffIds.add(diffId);
    }
    return used;
  }

  async listTrees(): Promise<string[]> {
    return (await listDirectory(path.join(this.#store.root, 'trees'))).map((hex) => `sha256:${hex}`);
  }

  async removeTree(imageId: string): Promise<void> {
    await openDirectories(this.#treeOf(imageId));
    await rm(this.#treeOf(imageId), { recursive: true, force: true });
  }

  /** Calls with one key run one after the other. */
  async #once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.#busy.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(key) === mine) this.#busy.delete(key);
    }
  }
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}

export async function isMounted(directory: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const escaped = directory.replace(/[\\ \t\n]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').some((line) => line.split(' ')[4] === escaped);
}

function isShareable(info: { size: number; mode: number; isFile(): boolean }): boolean {
  return info.isFile() && info.size >= shareable && (info.mode & 0o111) !== 0;
}

async function forbidWriting(tree: string): Promise<void> {
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const info = await lstat(file);
    if (isShareable(info)) await chmod(file, info.mode & 0o555);
  }
}

/** Copies files, links and directories with modes and times; as root with owners. Hard links between files of the tree become copies. */
async function copyTree(from: string, to: string): Promise<void> {
  const info = await lstat(from);
  const asRoot = process.getuid?.() === 0;
  if (info.isDirectory()) {
    await mkdir(to, { mode: 0o700 });
    for (const name of await readdir(from)) await copyTree(path.join(from, name), path.join(to, name));
  } else if (info.isSymbolicLink()) await symlink(await readlink(from), to);
  else if (!info.isFile()) return;
  else if (!asRoot && isShareable(info) && (await shared(from, to))) return;
  else await copyFile(from, to, constants.COPYFILE_FICLONE);
  if (asRoot) await lchown(to, info.uid, info.gid);
  if (!info.isSymbolicLink()) await chmod(to, info.mode & 0o7777);
  await lutimes(to, info.atimeMs / 1000, info.mtimeMs / 1000);
}

async function shared(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP'].includes(codeOf(error))) return false;
    throw new Error(`${to} cannot be made: ${messageOf(error)}`, { cause: error });
  }
}

/** Without privileges a directory that its owner may not write cannot be removed. */
async function openDirectories(directory: string): Promise<void> {
  if (process.getuid?.() === 0 || !(await exists(directory))) return;
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await openDirectories(path.join(directory, entry.name));
}
