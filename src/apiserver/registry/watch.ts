/**
 * watch. Watches of one resource that ask for the same thing (namespace, selectors) share a channel: each batch of events is
 * filtered and written down once, and every watcher is handed the same bytes.
 */
import { StatusError, type WatchEvent } from '../../machinery/index.ts';
import type { ResourceCache } from '../cache/index.ts';
import { endOf } from '../cache/index.ts';
import { Channel, type Seen, seenOf, type Watcher } from './channel.ts';
import type { Registry, ResourceCall } from './context.ts';
import { fromStored } from './convert.ts';
import { revisionOf } from './read.ts';
import { type Selection, selectionOf } from './selection.ts';

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
  const initial = initialOf(registry, call, cache, prefix, selection);
  // no await from here to the return: between the past just read and the first live event nothing may slip
  const byKey = channels.get(cache) ?? new Map<string, Channel>();
  channels.set(cache, byKey);
  const key = `${prefix}\n${selection.key}`;
  const channel = byKey.get(key) ?? new Channel(cache, prefix, selection, registry.clock);
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
