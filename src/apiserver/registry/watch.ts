/**
 * watch. Watches of one resource that ask for the same thing (namespace, selectors) share a channel: each batch of events is
 * filtered and written down once, and every watcher is handed the same bytes.
 */
import { StatusError, type WatchEvent } from '../../machinery/index.ts';
import type { CacheEntry, CacheEvent, ResourceCache } from '../cache/index.ts';
import { endOf } from '../cache/index.ts';
import { Channel, type Scope, type Seen, seenOf, type Watcher } from './channel.ts';
import type { Registry, ResourceCall } from './context.ts';
import { fromStored } from './convert.ts';
import { revisionOf } from './read.ts';
import { selectionOf } from './selection.ts';

export interface OpenWatch {
  /** What comes before the first live event: the state (if asked for) or what was missed. */
  readonly initial: readonly Seen[];
  /** The state was asked for, with a bookmark to close it. */
  readonly initialEventsEnd: boolean;
  /** The revision that the watcher has seen everything up to, now. */
  revision(): number;
  close(): void;
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
  const scope: Scope = { prefix, selection, view: served.view };
  if (served.view?.asks) return watchConverted(registry, call, watcher, cache, scope);
  const initial = initialOf(registry, call, cache, scope);
  // no await from here to the return: between the past just read and the first live event nothing may slip
  const byKey = channels.get(cache) ?? new Map<string, Channel>();
  channels.set(cache, byKey);
  const version = served.view === undefined ? '' : served.kind.custom?.revision;
  const key = `${prefix}\n${selection.key}\n${version}`;
  const channel = byKey.get(key) ?? new Channel(cache, scope, registry.clock);
  byKey.set(key, channel);
  channel.join(watcher);
  return {
    initial,
    initialEventsEnd: options.sendInitialEvents === true,
    revision: () => {
      channel.flush();
      return registry.caches.revision;
    },
    close: () => {
      if (channel.leave(watcher) && byKey.get(key) === channel) byKey.delete(key);
    },
  };
}

/** What is converted elsewhere arrives when it arrives: each watcher has a channel of its own, which begins where the past that it waits for ends. */
async function watchConverted(
  registry: Registry,
  call: ResourceCall,
  watcher: Watcher,
  cache: ResourceCache,
  scope: Scope,
): Promise<OpenWatch> {
  const view = scope.view!;
  const from = registry.caches.revision;
  let seenUntil = from;
  const entries = [...cache.entries.range(scope.prefix, endOf(scope.prefix))];
  const early: Parameters<Watcher['onEvents']>[] = [];
  let live = false;
  let ended = false;
  const own: Watcher = {
    patient: false,
    onEvents: (seen, frames) => {
      seenUntil = Math.max(seenUntil, seen.at(-1)!.entry.revision);
      if (live) watcher.onEvents(seen, frames);
      else early.push([seen, frames]);
    },
    onEnd: () => {
      ended = true;
      if (live) watcher.onEnd();
    },
  };
  const channel = new Channel(cache, scope, registry.clock);
  channel.join(own);
  try {
    const missed = call.options.sendInitialEvents === true ? [] : missedBy(registry, call, cache);
    const past = missed.flatMap(({ entry, previous }) => (previous === undefined ? [entry] : [entry, previous]));
    await view.ready(missed.length > 0 ? past : entries);
    const initial = initialOf(registry, call, cache, scope, { entries, missed });
    setImmediate(() => {
      live = true;
      for (const [seen, frames] of early) watcher.onEvents(seen, frames);
      if (ended) watcher.onEnd();
    });
    return {
      initial,
      initialEventsEnd: call.options.sendInitialEvents === true,
      revision: () => seenUntil,
      close: () => void channel.leave(own),
    };
  } catch (error) {
    channel.leave(own);
    throw error;
  }
}

/** The events between the revision that was asked for and now. */
function missedBy(registry: Registry, { options }: ResourceCall, cache: ResourceCache): readonly CacheEvent[] {
  const version = options.resourceVersion ?? '';
  if (version === '' || version === '0' || options.sendInitialEvents === true) return [];
  const revision = revisionOf(version);
  if (revision > registry.caches.revision)
    throw new StatusError('Timeout', `Too large resource version: ${revision}, current: ${registry.caches.revision}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  return cache.since(revision);
}

function initialOf(
  registry: Registry,
  call: ResourceCall,
  cache: ResourceCache,
  scope: Scope,
  known?: { entries: readonly CacheEntry[]; missed: readonly CacheEvent[] },
): readonly Seen[] {
  const { prefix, selection, view } = scope;
  const { options } = call;
  const version = options.resourceVersion ?? '';
  const current = (): Seen[] => {
    const all: Seen[] = [];
    for (const entry of known?.entries ?? cache.entries.range(prefix, endOf(prefix)))
      if (selection.matches(entry)) all.push({ type: 'ADDED', entry: view?.of(entry) ?? entry, event: undefined });
    return all;
  };
  if (options.sendInitialEvents === true) return current();
  if (version === '' || version === '0') return options.sendInitialEvents === false ? [] : current();
  return seenOf(known?.missed ?? missedBy(registry, call, cache), scope);
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
