/** A list kept up to date by a watch: the smallest thing that follows a set of objects. */
import type { Client, ListOptions } from '../client/client.ts';
import type { AnyObject, Clock, KubeObject, Resource } from '../machinery/index.ts';
import { isStatusError, keyOf } from '../machinery/index.ts';
import type { Log } from './options.ts';

export interface Reflector<T> {
  /** By `namespace/name`. */
  readonly items: ReadonlyMap<string, T>;
  /** Resolves after the first list; rejects when that was refused (it goes on trying all the same). */
  readonly synced: Promise<void>;
  stop(): void;
}

interface Follow<T> {
  client: Client;
  clock: Clock;
  log: Log;
  resource: Resource<T>;
  selection?: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;
  /** `object` undefined: it is gone (`old` is the last that was seen, or the deletion's own copy). */
  onChange?(object: T | undefined, old: T | undefined): void;
}

const longestWait = 30_000;

export function reflect<T extends KubeObject = AnyObject>(follow: Follow<T>): Reflector<T> {
  const items = new Map<string, T>();
  const stopping = new AbortController();
  const synced = Promise.withResolvers<void>();
  synced.promise.catch(() => {});
  const set = (object: T) => {
    const old = items.get(keyOf(object));
    items.set(keyOf(object), object);
    if (old?.metadata.resourceVersion !== object.metadata.resourceVersion || !old) follow.onChange?.(object, old);
  };
  const remove = (object: T) => {
    if (items.delete(keyOf(object))) follow.onChange?.(undefined, object);
  };

  const once = async () => {
    const { signal } = stopping;
    const list = await follow.client.list(follow.resource, { ...follow.selection, signal });
    const present = new Set(list.items.map(keyOf));
    for (const [key, old] of items) if (!present.has(key)) remove(old);
    for (const object of list.items) set(object);
    synced.resolve();
    let resourceVersion = list.metadata.resourceVersion;
    while (!signal.aborted) {
      const events = follow.client.watch(follow.resource, {
        ...follow.selection,
        resourceVersion,
        allowWatchBookmarks: true,
        signal,
      });
      for await (const { type, object } of events) {
        resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
        if (type === 'DELETED') remove(object);
        else if (type !== 'BOOKMARK') set(object);
      }
      if (!signal.aborted) await follow.clock.sleep(50, signal);
    }
  };

  const run = async () => {
    let wait = 200;
    while (!stopping.signal.aborted) {
      try {
        await once();
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (isStatusError(error, 'Expired', 'Gone')) continue;
        synced.reject(error);
        const { resource } = follow.resource;
        follow.log.warn({ resource, error: String(error) }, 'cannot follow a resource; trying again');
        await follow.clock.sleep(wait, stopping.signal).catch(() => {});
        wait = Math.min(wait * 2, longestWait);
      }
    }
  };
  void run();
  return { items, synced: synced.promise, stop: () => stopping.abort() };
}
