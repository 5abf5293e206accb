import type { AnyObject, Clock, KubeObject, Random, Resource, WatchEvent } from '../machinery/index.ts';
import { keyOf, qualifiedResource, StatusError } from '../machinery/index.ts';
import { Backoff } from './backoff.ts';
import type { Client } from './client.ts';
import { type Log, quiet } from './log.ts';
import { type Lister, ObjectCache } from './objectcache.ts';

export interface InformerSelection {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface InformerOptions<T> extends InformerSelection {
  client: Client;
  resource: Resource<T>;
  clock: Clock;
  random: Random;
  log?: Log;
}

/** What one answer to a list may hold; other work gets its turn in between. */
const pageSize = 500;

/** Called in the order of the changes, while the lister already shows them. Must return at once and not throw. */
export interface EventHandler<T> {
  /** `initial`: it was there before the informer, or this handler, began. */
  onAdd?(object: T, initial: boolean): void;
  onUpdate?(old: T, object: T): void;
  /** With the last state that was seen, which after a lost watch need not be the last there was. */
  onDelete?(object: T): void;
}

/**
 * Keeps the objects of one resource at hand: lists them once, then follows the watch; resumes where a watch ended, lists
 * anew when the server no longer knows that place, and tells handlers what became of the difference. Any number of handlers
 * and readers share it.
 *
 * Resource versions of one resource are compared as numbers (they are, since Kubernetes 1.35), which lets `observe` bring in
 * what this process wrote itself before the watch does.
 */
export class Informer<T extends KubeObject = AnyObject> {
  readonly resource: Resource<T>;
  readonly selection: InformerSelection;
  readonly #options: InformerOptions<T>;
  readonly #log: Log;
  readonly #cache = new ObjectCache<T>();
  readonly #handlers = new Set<EventHandler<T>>();
  readonly #backoff: Backoff;
  readonly #synced = Promise.withResolvers<void>();
  /** Uids that this process saw die before the watch told: later news of them is old. */
  #dead = new Set<string>();
  #isSynced = false;
  /** Up to where the cache is complete; '0' asks for whatever the server has at hand, '' for the newest. */
  #resourceVersion = '0';

  constructor(options: InformerOptions<T>) {
    const { resource, namespace, labelSelector, fieldSelector, clock, random } = options;
    this.resource = resource;
    this.selection = { namespace, labelSelector, fieldSelector };
    this.#options = options;
    this.#log = options.log ?? quiet;
    this.#backoff = new Backoff({ clock, random, base: 800, max: 30_000, resetAfter: 120_000 });
  }

  get lister(): Lister<T> {
    return this.#cache;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** Resolves once the first list is in the cache and handlers have been told. */
  synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Looks objects up by what `values` gives for them. The name stands for the function: those who use a name share its index. */
  indexBy(name: string, values: (object: T) => readonly string[]): (value: string) => readonly T[] {
    return this.#cache.index(`by ${name}`, values);
  }

  /** Tells it first of all that is there. Returns what removes it. */
  addHandler(handler: EventHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#cache.values()) handler.onAdd?.(object, true);
    return () => void this.#handlers.delete(handler);
  }

  /** Works until the signal is aborted; failures are logged and tried again with back-off. Call it once. */
  async run(signal: AbortSignal): Promise<void> {
    let listed = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        if (!Number.isFinite(listed)) {
          await this.#list(signal);
          listed = this.#options.clock.monotonic();
        }
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        const expired = isExpired(error);
        // A place that is lost is a matter of course, unless it was lost right away.
        if (!expired || this.#options.clock.monotonic() - listed < 1_000 || !Number.isFinite(listed)) {
          await this.#pause(signal, error);
        }
        if (!expired) continue;
        // Not what the server has at hand, which may be older than what was already seen.
        this.#resourceVersion = '';
        listed = Number.NEGATIVE_INFINITY;
      }
    }
  }

  /**
   * Brings in the answer to a write of this process, so that the cache is never behind what its user did. What the watch
   * has already passed is left alone.
   */
  observe(object: T): void {
    if (!this.#isSynced || !this.#isNews(object)) return;
    this.#put(object, false);
  }

  /** Brings in that an object was deleted for good by this process. */
  observeDeleted(key: string, uid: string): void {
    const known = this.#cache.get(key);
    if (known?.metadata.uid !== uid) return;
    this.#dead.add(uid);
    this.#remove(key);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource } = this.#options;
    const listed = new Set<string>();
    const stillThere = new Set<string>();
    let from: { continue?: string; resourceVersion?: string } = { resourceVersion: this.#resourceVersion };
    for (;;) {
      const page = await client.list(resource, { ...this.selection, ...from, limit: pageSize, signal });
      for (const item of page.items) {
        listed.add(keyOf(item));
        if (this.#dead.has(item.metadata.uid ?? '')) stillThere.add(item.metadata.uid ?? '');
        this.#put(item, !this.#isSynced);
      }
      if (!page.metadata.continue) {
        this.#dead = stillThere;
        this.#finishList(listed, page.metadata.resourceVersion ?? '');
        return;
      }
      from = { continue: page.metadata.continue };
    }
  }

  #finishList(listed: ReadonlySet<string>, resourceVersion: string): void {
    for (const key of this.#cache.keys()) {
      // What is newer than the list was written by this process meanwhile.
      if (!listed.has(key) && !isNewer(this.#cache.get(key)!, resourceVersion)) this.#remove(key);
    }
    this.#resourceVersion = resourceVersion;
    this.#isSynced = true;
    this.#synced.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, resource, clock, random } = this.#options;
    const began = clock.monotonic();
    // Not all at the same time, or a server that restarts meets every watch at once again and again.
    const timeoutSeconds = Math.floor(300 * (1 + random.next()));
    let received = 0;
    for await (const event of client.watch(resource, {
      ...this.selection,
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: true,
      timeoutSeconds,
      signal,
    })) {
      received++;
      this.#take(event);
    }
    if (received > 0 || signal.aborted || clock.monotonic() - began >= 1_000) return;
    throw new Error('the server ended the watch at once, without an event');
  }

  #take({ type, object }: WatchEvent<T>): void {
    const { resourceVersion = '', uid = '' } = object.metadata;
    if (type === 'DELETED') {
      this.#dead.delete(uid);
      const key = keyOf(object);
      const known = this.#cache.get(key);
      if (known !== undefined && !isNewer(known, resourceVersion)) this.#remove(key, object);
    } else if (type !== 'BOOKMARK') {
      this.#put(object, false);
    }
    this.#resourceVersion = resourceVersion;
  }

  /** Whether the watch has not come to this state yet. */
  #isNews({ metadata }: T): boolean {
    return Number(metadata.resourceVersion) > Number(this.#resourceVersion);
  }

  #put(object: T, initial: boolean): void {
    const { uid = '', resourceVersion = '' } = object.metadata;
    if (this.#dead.size > 0 && this.#dead.has(uid)) return;
    const old = this.#cache.get(keyOf(object));
    if (old !== undefined && (old.metadata.resourceVersion === resourceVersion || isNewer(old, resourceVersion)))
      return;
    // Deleted and made again while nobody watched.
    if (old !== undefined && old.metadata.uid !== uid) {
      this.#remove(keyOf(object));
      this.#cache.set(object);
      this.#tell((handler) => handler.onAdd?.(object, false));
      return;
    }
    this.#cache.set(object);
    if (old === undefined) this.#tell((handler) => handler.onAdd?.(object, initial));
    else this.#tell((handler) => handler.onUpdate?.(old, object));
  }

  #remove(key: string, last?: T): void {
    const known = this.#cache.get(key);
    if (known === undefined) return;
    this.#cache.delete(key);
    this.#tell((handler) => handler.onDelete?.(last ?? known));
  }

  #tell(call: (handler: EventHandler<T>) => void): void {
    for (const handler of this.#handlers) {
      try {
        call(handler);
      } catch (error) {
        // It broke its promise not to throw; others must not miss the change for it.
        this.#log.error({ err: error, resource: qualifiedResource(this.resource) }, 'an event handler failed');
      }
    }
  }

  async #pause(signal: AbortSignal, error: unknown): Promise<void> {
    const delay = this.#backoff.next();
    const resource = qualifiedResource(this.resource);
    this.#log.warn({ err: error, resource, retryMilliseconds: Math.round(delay) }, 'list or watch failed');
    await this.#options.clock.sleep(delay, signal).catch(() => {});
  }
}

function isNewer({ metadata }: KubeObject, resourceVersion: string): boolean {
  return Number(metadata.resourceVersion) > Number(resourceVersion);
}

function isExpired(error: unknown): boolean {
  return error instanceof StatusError && error.code === 410;
}
