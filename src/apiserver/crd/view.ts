/**
 * Stored custom resources as one version of their definition sees them: converted to that version, pruned and defaulted by its schema as it is
 * now. What each entry looks like is made when somebody first asks, and kept as long as the entry.
 */
import { setImmediate } from 'node:timers/promises';
import { type Kind, validatorOf } from '../../api/index.ts';
import { type AnyObject, apiVersionOf, cloneJson, equalJson } from '../../machinery/index.ts';
import { CacheEntry } from '../cache/index.ts';
import type { View } from '../resources.ts';

/** Turns objects into another version, in order; it may ask somebody else. The arguments are not changed. */
export type Convert = (objects: readonly AnyObject[], apiVersion: string) => Promise<AnyObject[]>;

/** So many are looked at before others have their turn. */
const atOnce = 200;

export class CustomView implements View {
  readonly #kind: Kind;
  readonly #apiVersion: string;
  readonly #storedVersion: string;
  readonly #convert: Convert | undefined;
  readonly #seen = new WeakMap<CacheEntry, CacheEntry>();
  /** What was written through this version: it need not be looked at again. */
  readonly #written = new WeakSet<AnyObject>();

  /** `convert` absent: versions differ in their name only. */
  constructor(kind: Kind, stored: Kind, convert: Convert | undefined) {
    this.#kind = kind;
    this.#apiVersion = apiVersionOf(kind);
    this.#storedVersion = apiVersionOf(stored);
    this.#convert = convert;
  }

  get asks(): boolean {
    return this.#convert !== undefined;
  }

  of(entry: CacheEntry): CacheEntry {
    const known = this.#seen.get(entry);
    if (known !== undefined) return known;
    const { object } = entry;
    if (this.#written.has(object)) return this.#keep(entry, entry);
    if (object.apiVersion === this.#apiVersion || this.#convert === undefined)
      return this.#keep(entry, this.#read(entry));
    throw new Error(`${entry.key} was not converted to ${this.#apiVersion} before it was read`);
  }

  #keep(entry: CacheEntry, seen: CacheEntry): CacheEntry {
    this.#seen.set(entry, seen);
    if (seen !== entry) this.#seen.set(seen, seen);
    return seen;
  }

  #read(entry: CacheEntry, converted?: AnyObject): CacheEntry {
    const object = cloneJson(converted ?? entry.object);
    object.apiVersion = this.#apiVersion;
    const { take, fill } = validatorOf(this.#kind.schema);
    take(object);
    fill(object);
    return equalJson(object, entry.object) ? entry : new CacheEntry(entry.key, entry.revision, undefined, object);
  }

  ready(entries: readonly CacheEntry[]): Promise<void> | undefined {
    const unseen = entries.filter((entry) => !this.#seen.has(entry));
    const foreign =
      this.#convert === undefined ? [] : unseen.filter(({ object }) => object.apiVersion !== this.#apiVersion);
    if (foreign.length > 0) return this.#ask(foreign);
    return unseen.length > atOnce ? this.#look(unseen) : undefined;
  }

  async #look(entries: readonly CacheEntry[]): Promise<void> {
    for (const [i, entry] of entries.entries()) {
      this.of(entry);
      if (i % atOnce === atOnce - 1) await setImmediate();
    }
  }

  async #ask(entries: readonly CacheEntry[]): Promise<void> {
    const objects = await this.#convert!(
      entries.map(({ object }) => object),
      this.#apiVersion,
    );
    for (const [i, entry] of entries.entries()) {
      this.#keep(entry, this.#read(entry, objects[i]));
      if (i % atOnce === atOnce - 1) await setImmediate();
    }
  }

  toStored(object: AnyObject): AnyObject | Promise<AnyObject> {
    if (this.#apiVersion === this.#storedVersion) {
      this.#written.add(object);
      return object;
    }
    if (this.#convert === undefined) return { ...object, apiVersion: this.#storedVersion };
    return this.#convert([object], this.#storedVersion).then(([converted]) => converted!);
  }

  stale(entry: CacheEntry): boolean {
    if (entry.object.apiVersion !== this.#storedVersion) return true;
    return this.#apiVersion === this.#storedVersion && this.of(entry) !== entry;
  }
}
