/**
 * One layer's archive, applied to a directory. Two ways: `overlay` leaves whiteouts as overlayfs wants them (a character
 * device 0/0, an opaque attribute) in a directory of the layer's own; `plain` applies them to what earlier layers left in
 * the same directory. As root, owners, device nodes and file capabilities are kept; otherwise everything is ours.
 */
import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { limits } from '../spec.ts';
import type { TarMember } from '../tar/read.ts';
import { makeSpecials, type Special } from './specials.ts';
import { components, lstatOf, Tree } from './tree.ts';

export interface ApplyOptions {
  clock: Clock;
  mode: 'overlay' | 'plain';
  /** Keep owners and device nodes: only root may. */
  asRoot: boolean;
  /** Directories of the layers below, nearest first (`overlay` only). */
  below: readonly string[];
  signal?: AbortSignal;
}

export interface Applied {
  /** Bytes of content. */
  size: number;
  inodes: number;
}

type Attributes = Pick<TarMember, 'mode' | 'uid' | 'gid' | 'mtime'>;
/** Milliseconds after which others get the event loop: many small files come in one piece of the archive. */
const longestTurn = 4;
const opaqueMark = '.wh..wh..opq';
const whiteoutPrefix = '.wh.';

export async function applyLayer(
  members: AsyncIterable<TarMember>,
  root: string,
  options: ApplyOptions,
): Promise<Applied> {
  const layer = new LayerWriter(root, options);
  let turn = options.clock.monotonic();
  for await (const member of members) {
    options.signal?.throwIfAborted();
    await layer.add(member);
    if (options.clock.monotonic() - turn < longestTurn) continue;
    await new Promise((next) => setImmediate(next));
    turn = options.clock.monotonic();
  }
  return await layer.finish();
}

class LayerWriter {
  readonly #options: ApplyOptions;
  readonly #tree: Tree;
  /** Set last: filling a directory changes its time, and may need a mode that it must not keep. */
  readonly #directories = new Map<string, Attributes>();
  readonly #links = new Map<string, string[]>();
  readonly #specials = new Map<string, Special>();
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<string>();
  readonly #own = new Set<string>();
  readonly #applied: Applied = { size: 0, inodes: 0 };

  constructor(root: string, options: ApplyOptions) {
    this.#options = options;
    this.#tree = new Tree(root, options.below, (directory, model) => this.#madeParent(directory, model));
  }

  #madeParent(directory: string, model: Stats | undefined): void {
    this.#applied.inodes += 1;
    this.#own.add(directory);
    if (model)
      this.#directories.set(directory, {
        mode: model.mode & 0o7777,
        uid: model.uid,
        gid: model.gid,
        mtime: model.mtimeMs / 1000,
      });
  }

  async add(member: TarMember): Promise<void> {
    const parts = components(member.name);
    const base = parts.at(-1) ?? '';
    if (base.startsWith(whiteoutPrefix)) return await this.#whiteout(parts, base);
    this.#applied.inodes += 1;
    this.#applied.size += member.size;
    if (this.#applied.inodes > limits.entries) throw new Error(`the layer has more than ${limits.entries} files`);
    if (this.#applied.size > limits.layer) throw new Error(`the layer has more than ${limits.layer} bytes`);
    const file = this.#tree.place(parts);
    this.#makeRoom(file, member.type);
    await this.#create(file, member);
  }

  #makeRoom(file: string, type: TarMember['type']): void {
    this.#links.delete(file);
    this.#specials.delete(file);
    this.#own.add(file);
    const there = lstatOf(file);
    if (!there || (there.isDirectory() && type === 'directory')) return;
    if (file === this.#tree.root) throw new Error('the layer replaces its root by something that is no directory');
    this.#tree.clear(file);
    for (const pending of [this.#directories, this.#links, this.#specials])
      for (const key of pending.keys()) if (key.startsWith(`${file}/`) || key === file) pending.delete(key);
  }

  async #create(file: string, member: TarMember): Promise<void> {
    const { asRoot } = this.#options;
    switch (member.type) {
      case 'directory':
        if (!lstatOf(file)) mkdirSync(file, { mode: 0o755 });
        this.#directories.set(file, member);
        break;
      case 'file':
        await this.#write(file, member);
        this.#attributes(file, member);
        break;
      case 'symlink':
        symlinkSync(member.linkname, file);
        if (asRoot) lchownSync(file, member.uid, member.gid);
        lutimesSync(file, member.mtime, member.mtime);
        return;
      case 'link':
        this.#links.set(
          file,
          components(member.linkname, `the target of the hard link ${JSON.stringify(member.name)},`),
        );
        return;
      case 'fifo':
        this.#specials.set(file, { file, type: 'fifo', major: 0, minor: 0, xattrs: new Map(), entry: member });
        return;
      default:
        if (asRoot)
          this.#specials.set(file, {
            file,
            type: member.type,
            major: member.major,
            minor: member.minor,
            xattrs: new Map(),
            entry: member,
          });
        return;
    }
    const xattrs = keptAttributes(member.xattrs);
    if (asRoot && xattrs.size > 0) this.#specials.set(file, { file, type: member.type, major: 0, minor: 0, xattrs });
  }

  async #write(file: string, member: TarMember): Promise<void> {
    const descriptor = openSync(file, 'wx', 0o600);
    try {
      for await (const chunk of member.body)
        for (let at = 0; at < chunk.length; ) at += writeSync(descriptor, chunk, at);
    } finally {
      closeSync(descriptor);
    }
  }

  /** The owner first: changing it takes setuid bits away. */
  #attributes(file: string, attributes: Attributes): void {
    if (this.#options.asRoot) lchownSync(file, attributes.uid, attributes.gid);
    const readable = this.#options.asRoot ? 0 : this.#directories.has(file) ? 0o700 : 0o400;
    const mode = this.#options.asRoot ? attributes.mode : attributes.mode & 0o777;
    chmodSync(file, mode | readable);
    lutimesSync(file, attributes.mtime, attributes.mtime);
  }

  async #whiteout(parts: string[], base: string): Promise<void> {
    const directory = path.dirname(this.#tree.place(parts));
    if (base === opaqueMark) {
      this.#opaque.add(directory);
      if (this.#options.mode === 'plain') await this.#empty(directory);
      return;
    }
    if (base.startsWith('.wh..wh.')) return; // bookkeeping of aufs, of no meaning here
    const name = base.slice(whiteoutPrefix.length);
    if (name === '' || name === '.' || name === '..')
      throw new Error(`the whiteout ${JSON.stringify(parts.join('/'))} names nothing that can be removed`);
    const file = path.join(directory, name);
    if (this.#options.mode === 'overlay') this.#whiteouts.add(file);
    else if (!this.#own.has(file)) this.#tree.clear(file);
    else if (lstatOf(file)?.isDirectory()) await this.#empty(file);
  }

  /** Removes what lower layers left in a directory, and keeps what this one put there. */
  async #empty(directory: string): Promise<void> {
    for (const name of await readdir(directory)) {
      const file = path.join(directory, name);
      if (!this.#own.has(file)) this.#tree.clear(file);
      else if (lstatOf(file)?.isDirectory()) await this.#empty(file);
    }
  }

  async finish(): Promise<Applied> {
    this.#markOverlay();
    await makeSpecials(this.#tree.root, [...this.#specials.values()], this.#options.clock);
    for (const [file, target] of this.#links) this.#link(file, target);
    for (const [directory, attributes] of this.#directories) this.#attributes(directory, attributes);
    return this.#applied;
  }

  #markOverlay(): void {
    if (this.#options.mode !== 'overlay') return;
    const device = { type: 'character' as const, major: 0, minor: 0, xattrs: new Map() };
    for (const file of this.#whiteouts) {
      const there = lstatOf(file);
      if (there?.isDirectory()) this.#opaque.add(file);
      else if (!there && !this.#links.has(file) && !this.#specials.has(file))
        this.#specials.set(file, { file, ...device });
    }
    for (const file of this.#opaque) {
      const xattrs = new Map(this.#specials.get(file)?.xattrs).set('trusted.overlay.opaque', Buffer.from('y'));
      this.#specials.set(file, { file, type: 'directory', major: 0, minor: 0, xattrs });
    }
  }

  #link(file: string, target: string[]): void {
    const source = this.#tree.place(target);
    const there = lstatOf(source);
    if (!there || there.isDirectory())
      throw new Error(
        `the hard link ${JSON.stringify(path.relative(this.#tree.root, file))} names ${JSON.stringify(target.join('/'))}, which is no file of the layer`,
      );
    rmSync(file, { force: true });
    linkSync(source, file);
  }
}

/** Capabilities and user attributes. Never overlayfs's own: with them a layer could point anywhere. */
function keptAttributes(xattrs: Map<string, Buffer>): Map<string, Buffer> {
  return new Map(
    [...xattrs].filter(
      ([key]) => key === 'security.capability' || (key.startsWith('user.') && !key.startsWith('user.overlay.')),
    ),
  );
}
