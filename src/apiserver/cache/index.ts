/**
 * All resources' caches over one store: one watch feeds them, each is filled from the store when it is first used.
 */
import type { Store, StoreEvent, StoreWatch } from '../../store/index.ts';
import { ResourceCache } from './cache.ts';
import { RevisionTimes } from './times.ts';

export { ResourceCache, type CacheEvent, type CacheListener } from './cache.ts';
export { CacheEntry } from './entry.ts';
export { putOf, storedBytes } from './stored.ts';

export const root = '/registry/';

export class Caches {
  readonly #store: Store;
  readonly #caches = new Map<string, ResourceCache | Promise<ResourceCache>>();
  /** Events that arrive while a cache is being filled. */
  readonly #early = new Map<string, StoreEvent[]>();
  readonly #watch: StoreWatch;
  readonly times: RevisionTimes;
  #revision: number;

  constructor(store: Store, now: () => number, onFailure: (error: Error) => void) {
    this.#store = store;
    this.#revision = store.revision;
    this.times = new RevisionTimes(now);
    this.#watch = store.watch({
      start: root,
      end: endOf(root),
      onEvents: (events) => this.#dispatch(events),
      onEnd: (error) => {
        if (error !== undefined) onFailure(error);
      },
    });
  }

  /** The last revision that every cache has taken in. */
  get revision(): number {
    return Math.max(this.#revision, this.#store.revision);
  }

  /** The cache of the keys below a prefix such as `/registry/core/pods/`; filled by the first call. */
  of(prefix: string): ResourceCache | Promise<ResourceCache> {
    const found = this.#caches.get(prefix);
    if (found !== undefined) return found;
    const filling = this.#fill(prefix);
    this.#caches.set(prefix, filling);
    filling.catch(() => this.#caches.delete(prefix));
    return filling;
  }

  /** The cache, if somebody has asked for it already. */
  known(prefix: string): ResourceCache | undefined {
    const found = this.#caches.get(prefix);
    return found instanceof ResourceCache ? found : undefined;
  }

  async #fill(prefix: string): Promise<ResourceCache> {
    const early: StoreEvent[] = [];
    this.#early.set(prefix, early);
    try {
      const { entries, revision } = await this.#store.range({ start: prefix, end: endOf(prefix) });
      const cache = new ResourceCache(revision);
      for (const entry of entries) cache.load(entry.key, entry.value, entry.modRevision);
      const missed = early.filter((event) => event.revision > revision);
      if (missed.length > 0) cache.take(missed);
      this.#caches.set(prefix, cache);
      return cache;
    } finally {
      this.#early.delete(prefix);
    }
  }

  #dispatch(events: readonly StoreEvent[]): void {
    this.#revision = events.at(-1)!.revision;
    this.times.note(this.#revision);
    if (events.length === 1) return this.#give(prefixOf(events[0]!.key), events);
    const byPrefix = new Map<string, StoreEvent[]>();
    for (const event of events) {
      const prefix = prefixOf(event.key);
      const batch = byPrefix.get(prefix);
      if (batch === undefined) byPrefix.set(prefix, [event]);
      else batch.push(event);
    }
    for (const [prefix, batch] of byPrefix) this.#give(prefix, batch);
  }

  #give(prefix: string, events: readonly StoreEvent[]): void {
    const cache = this.#caches.get(prefix);
    if (cache instanceof ResourceCache) cache.take(events);
    else this.#early.get(prefix)?.push(...events);
  }

  /** Ends the watches of a resource: what they show is not what is served any more. */
  endWatches(prefix: string): void {
    const cache = this.#caches.get(prefix);
    if (cache instanceof ResourceCache) cache.end();
  }

  /** Forgets a resource that is served no more. */
  drop(prefix: string): void {
    this.endWatches(prefix);
    this.#caches.delete(prefix);
  }

  close(): void {
    this.#watch.cancel();
    for (const cache of this.#caches.values()) if (cache instanceof ResourceCache) cache.end();
  }
}

/** `/registry/<group>/<resource>/` of any key below it. */
function prefixOf(key: string): string {
  const group = key.indexOf('/', root.length);
  return key.slice(0, key.indexOf('/', group + 1) + 1);
}

/** The first string after all that start with `prefix`. */
export function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
