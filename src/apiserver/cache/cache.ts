/**
 * The present of one resource and its recent past, in memory: what lists, gets and watches are answered from. The store feeds it
 * every durable revision, before the writer hears of it, so a read after a write sees it.
 */
import { StatusError } from '../../machinery/index.ts';
import type { StoreEvent } from '../../store/index.ts';
import { CacheEntry } from './entry.ts';
import { OrderedMap } from './ordered.ts';
import type { Written } from './stored.ts';

/** One change: what the key held before and holds now. `entry` of a deletion is the last state, at the revision of the deletion. */
export interface CacheEvent {
  readonly revision: number;
  readonly deleted: boolean;
  readonly entry: CacheEntry;
  readonly previous: CacheEntry | undefined;
  /** What `previous` looks like to those whom this event took it from; made by the first that needs it. */
  last?: CacheEntry;
  /** The bytes of this event on a watch, made by the first that needs them. */
  frames?: Partial<Record<'ADDED' | 'MODIFIED' | 'DELETED', Buffer>> | undefined;
}

export interface CacheListener {
  /** Called synchronously with every batch that became durable together. It must not throw. */
  onEvents(events: readonly CacheEvent[]): void;
  onEnd(): void;
}

/** How many events a watch may be behind before it has to list again. */
const historyLimit = 20_000;
/** How many events keep their bytes for watches that come to them later. */
const framesKept = 1000;

export class ResourceCache {
  readonly entries = new OrderedMap<CacheEntry>();
  readonly #listeners = new Set<CacheListener>();
  #history: CacheEvent[] = [];
  /** Watches can start after this revision, none before. */
  #historyFrom: number;

  constructor(revision: number) {
    this.#historyFrom = revision;
  }

  /** The event's new state and what it replaced. */
  load(key: string, value: Uint8Array, revision: number): void {
    this.entries.set(key, new CacheEntry(key, revision, value, undefined));
  }

  take(events: readonly StoreEvent[]): void {
    const batch: CacheEvent[] = [];
    for (const event of events) {
      const change = this.#change(event);
      if (change !== undefined) batch.push(change);
    }
    for (const change of batch) {
      const { length } = this.#history;
      if (length >= framesKept) this.#history[length - framesKept]!.frames = undefined;
      this.#history.push(change);
    }
    if (this.#history.length > historyLimit * 1.25) this.#forget();
    for (const listener of this.#listeners) listener.onEvents(batch);
  }

  #change(event: StoreEvent): CacheEvent | undefined {
    const { key, revision } = event;
    const previous = this.entries.get(key);
    if (event.type === 'delete') {
      if (previous === undefined) return undefined;
      this.entries.delete(key);
      return { revision, deleted: true, entry: previous.at(revision), previous };
    }
    const written = event.attachment as Written | undefined;
    if (written !== undefined) written.object.metadata.resourceVersion = String(revision);
    const entry = new CacheEntry(key, revision, event.value!, written);
    this.entries.set(key, entry);
    return { revision, deleted: false, entry, previous };
  }

  #forget(): void {
    const dropped = this.#history.length - historyLimit;
    this.#historyFrom = this.#history[dropped - 1]!.revision;
    this.#history = this.#history.slice(dropped);
  }

  /**
   * What happened after a revision, in order.
   * @throws `Expired` when that is further back than what is remembered: the watcher lists again.
   */
  since(revision: number): readonly CacheEvent[] {
    if (revision < this.#historyFrom)
      throw StatusError.expired(`too old resource version: ${revision} (${this.#historyFrom})`);
    const events = this.#history;
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low === events.length ? [] : events.slice(low);
  }

  listen(listener: CacheListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  end(): void {
    for (const listener of this.#listeners) listener.onEnd();
    this.#listeners.clear();
  }
}
