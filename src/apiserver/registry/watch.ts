/**
 * watch. Watches of one resource that ask for the same thing (namespace, selectors) share a channel: each batch of events is
 * filtered and written down once, and every watcher is handed the same bytes.
 */
import { StatusError, type WatchEvent } from '../../machinery/index.ts';
import type { CacheEntry, CacheEvent, ResourceCache } from '../cache/index.ts';
import { deletedEntry, endOf } from '../cache/index.ts';
import type { Registry, ResourceCall } from './context.ts';
import { fromStored } from './convert.ts';
import { revisionOf } from './read.ts';
import { type Selection, selectionOf } from './selection.ts';

export type WatchType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One event as a watcher sees it. */
export interface Seen {
  readonly type: WatchType;
  readonly entry: CacheEntry;
  readonly event: CacheEvent | undefined;
}

export interface Watcher {
  /** Called synchronously; `frames` gives the batch as bytes, made by the first watcher that asks. */
  onEvents(seen: readonly Seen[], frames: () => Buffer): void;
  onEnd(): void;
}

export interface OpenWatch {
  /** What comes before the first live event: the state (if asked for) or what was missed. */
  readonly initial: readonly Seen[];
  /** The state was asked for, with a bookmark to close it. */
  readonly initialEventsEnd: boolean;
  /** The revision that the watcher has seen everything up to, now. */
  revision(): number;
  close(): void;
}

class Channel {
  readonly #watchers = new Set<Watcher>();
  readonly #stop: () => void;
  readonly #prefix: string;
  readonly #selection: Selection;

  constructor(cache: ResourceCache, prefix: string, selection: Selection) {
    this.#prefix = prefix;
    this.#selection = selection;
    this.#stop = cache.listen({
      onEvents: (events) => this.#give(events),
      onEnd: () => {
        for (const watcher of this.#watchers) watcher.onEnd();
      },
    });
  }

  #give(events: readonly CacheEvent[]): void {
    const seen = seenOf(events, this.#prefix, this.#selection);
    if (seen.length === 0) return;
    let bytes: Buffer | undefined;
    const frames = () => (bytes ??= seen.length === 1 ? frameOf(seen[0]!) : Buffer.concat(seen.map(frameOf)));
    for (const watcher of this.#watchers) watcher.onEvents(seen, frames);
  }

  join(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  /** Whether that was the last one; the channel is then closed. */
  leave(watcher: Watcher): boolean {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return false;
    this.#stop();
    return true;
  }
}

const channels = new WeakMap<ResourceCache, Map<string, Channel>>();

export async function watch(registry: Registry, call: ResourceCall, watcher: Watcher): Promise<OpenWatch> {
  const { options, served } = call;
  const selection = selectionOf(call);
  if (options.resourceVersionMatch && !options.sendInitialEvents)
    throw StatusError.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
      {
        reason: 'FieldValueForbidden',
        field: 'resourceVersionMatch',
        message: 'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      },
    ]);
  const cache = await registry.resources.cache(served);
  const prefix = served.kind.namespaced && call.namespace !== '' ? `${served.prefix}${call.namespace}/` : served.prefix;
  const initial = initialOf(registry, call, cache, prefix, selection);
  // no await from here to the return: between the past just read and the first live event nothing may slip
  const byKey = channels.get(cache) ?? new Map<string, Channel>();
  channels.set(cache, byKey);
  const key = `${prefix}\n${selection.key}`;
  const channel = byKey.get(key) ?? new Channel(cache, prefix, selection);
  byKey.set(key, channel);
  channel.join(watcher);
  return {
    initial,
    initialEventsEnd: options.sendInitialEvents === true,
    revision: () => registry.caches.revision,
    close: () => {
      if (channel.leave(watcher) && byKey.get(key) === channel) byKey.delete(key);
    },
  };
}

function initialOf(
  registry: Registry,
  call: ResourceCall,
  cache: ResourceCache,
  prefix: string,
  selection: Selection,
): readonly Seen[] {
  const { options } = call;
  const version = options.resourceVersion ?? '';
  const current = (): Seen[] => {
    const all: Seen[] = [];
    for (const entry of cache.entries.range(prefix, endOf(prefix)))
      if (selection.matches(entry)) all.push({ type: 'ADDED', entry, event: undefined });
    return all;
  };
  if (options.sendInitialEvents === true) return current();
  if (version === '' || version === '0') return options.sendInitialEvents === false ? [] : current();
  const revision = revisionOf(version);
  if (revision > registry.caches.revision)
    throw new StatusError('Timeout', `Too large resource version: ${revision}, current: ${registry.caches.revision}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  return seenOf(cache.since(revision), prefix, selection);
}

/** What a watcher of this selection sees of a batch: an object that begins to match is added, one that ceases is deleted. */
function seenOf(events: readonly CacheEvent[], prefix: string, selection: Selection): Seen[] {
  const seen: Seen[] = [];
  for (const event of events) {
    if (!event.entry.key.startsWith(prefix)) continue;
    const type = typeOf(event, selection);
    if (type !== undefined) seen.push({ type, entry: type === 'DELETED' ? lastOf(event) : event.entry, event });
  }
  return seen;
}

/** Of an object that is gone, or gone from the selection: what it was before, at the revision of the event. */
function lastOf(event: CacheEvent): CacheEntry {
  return event.deleted ? event.entry : (event.last ??= deletedEntry(event.previous!, event.revision));
}

function typeOf(event: CacheEvent, selection: Selection): WatchType | undefined {
  const { deleted, entry, previous } = event;
  if (selection.everything) return deleted ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED';
  const did = previous !== undefined && selection.matches(previous);
  const does = !deleted && selection.matches(entry);
  if (does) return did ? 'MODIFIED' : 'ADDED';
  return did ? 'DELETED' : undefined;
}

const heads: Record<WatchType, Buffer> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const tail = Buffer.from('}\n');

/** The JSON line of an event; shared by all watchers that see it the same way. */
export function frameOf(seen: Seen): Buffer {
  const made = seen.event?.frames?.[seen.type];
  if (made !== undefined) return made;
  const frame = Buffer.concat([heads[seen.type], seen.entry.bytes, tail]);
  if (seen.event !== undefined) (seen.event.frames ??= {})[seen.type] = frame;
  return frame;
}

/** The event as an object, in the version asked for. */
export function eventOf(call: Pick<ResourceCall, 'served'>, seen: Seen): WatchEvent {
  return { type: seen.type, object: fromStored(call.served, seen.entry.object) };
}

export function bookmarkOf(
  call: Pick<ResourceCall, 'served'>,
  revision: number,
  initialEventsEnd: boolean,
): WatchEvent {
  return {
    type: 'BOOKMARK',
    object: {
      kind: call.served.kind.kind,
      apiVersion: call.served.apiVersion,
      metadata: {
        resourceVersion: String(revision),
        ...(initialEventsEnd && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
      },
    },
  };
}
