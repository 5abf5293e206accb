/**
 * Paths inside a directory that is being filled from an archive nobody vouches for. Every path is walked component by
 * component: a symbolic link is followed as if the directory were the root of the world, `..` in a name is refused, and the
 * last component is never followed.
 */
import { lstatSync, mkdirSync, readlinkSync, rmSync, type Stats } from 'node:fs';
import path from 'node:path';

const maximumLinks = 40;

/** The components of an entry's name; a leading `/` or `./` says the same as none. Refuses `..`. */
export function components(name: string, what = 'the entry'): string[] {
  if (name.includes('\0')) throw new Error(`${what} ${JSON.stringify(name)} holds a zero byte`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`${what} ${JSON.stringify(name)} leads out of the root with ".."`);
  return parts;
}

/** Undefined when nothing is there; without the cost of an exception, as this is the usual case. */
export function lstatOf(file: string): Stats | undefined {
  return lstatSync(file, { throwIfNoEntry: false });
}

export class Tree {
  readonly root: string;
  /** Unpacked directories below this one, the nearest first: what a missing parent is modelled on. */
  readonly #below: readonly string[];
  readonly #madeParent: (directory: string, model: Stats | undefined) => void;
  readonly #known = new Set<string>();

  constructor(
    root: string,
    below: readonly string[],
    madeParent: (directory: string, model: Stats | undefined) => void,
  ) {
    this.root = root;
    this.#below = below;
    this.#madeParent = madeParent;
  }

  /** Where the entry belongs; its parents exist afterwards. The root itself for no components. */
  place(parts: readonly string[]): string {
    if (parts.length === 0) return this.root;
    return path.join(this.root, ...this.#directory(parts.slice(0, -1)), parts.at(-1) ?? '');
  }

  /** Takes away what is in an entry's way. */
  clear(file: string): void {
    rmSync(file, { recursive: true, force: true });
    this.#known.clear();
  }

  /** The components of the real directory, links followed, made where missing. */
  #directory(parts: readonly string[]): string[] {
    const key = parts.join('/');
    if (key === '' || this.#known.has(key)) return [...parts];
    const todo = [...parts];
    const real: string[] = [];
    let links = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === '..') {
        if (real.pop() === undefined)
          throw new Error(`a symbolic link on the way to ${JSON.stringify(key)} leads out of the root`);
        continue;
      }
      real.push(part);
      const target = this.#linkAt(real);
      if (target === undefined) continue;
      links += 1;
      if (links > maximumLinks)
        throw new Error(`there are more than ${maximumLinks} symbolic links on the way to ${JSON.stringify(key)}`);
      if (target.startsWith('/')) real.length = 0;
      else real.pop();
      todo.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'));
    }
    if (links === 0) this.#known.add(key);
    return real;
  }

  /** The target when the path is a symbolic link; otherwise it is, or becomes, a directory. */
  #linkAt(parts: readonly string[]): string | undefined {
    const file = path.join(this.root, ...parts);
    const here = lstatOf(file);
    if (here?.isSymbolicLink()) return readlinkSync(file);
    if (here?.isDirectory()) return undefined;
    if (here) throw new Error(`${JSON.stringify(parts.join('/'))} is a file, and an entry wants to lie under it`);
    const lower = this.#lower(parts);
    if (lower?.stats.isSymbolicLink()) return readlinkSync(lower.file);
    mkdirSync(file, { mode: 0o755 });
    this.#madeParent(file, lower?.stats.isDirectory() ? lower.stats : undefined);
    return undefined;
  }

  #lower(parts: readonly string[]): { file: string; stats: Stats } | undefined {
    for (const layer of this.#below) {
      const file = path.join(layer, ...parts);
      const stats = lstatOf(file);
      if (stats) return { file, stats };
    }
    return undefined;
  }
}
