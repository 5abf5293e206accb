/** What a definition that goes leaves behind, however much it is, a batch at a time. */
import { setImmediate } from 'node:timers/promises';
import { isStatusError } from '../../machinery/index.ts';
import type { CacheEntry } from '../cache/index.ts';
import { type Registry, remove } from '../registry/index.ts';
import type { User } from '../request.ts';
import type { ServedResource } from '../resources.ts';

/** So many share a flush of the store. */
const atOnce = 100;

/** Deletes all instances and answers how many are still there: those that something else holds on to. */
export async function removeInstances(
  registry: Registry,
  served: ServedResource,
  user: User,
  stopped: () => boolean,
): Promise<number> {
  const cache = await registry.resources.cache(served);
  let batch: CacheEntry[] = [];
  const all = [...cache.entries.values()];
  for (const entry of all) {
    batch.push(entry);
    if (batch.length < atOnce) continue;
    if (stopped()) return cache.entries.size;
    await removeBatch(registry, served, user, batch);
    batch = [];
    await setImmediate();
  }
  if (batch.length > 0) await removeBatch(registry, served, user, batch);
  return cache.entries.size;
}

async function removeBatch(
  registry: Registry,
  served: ServedResource,
  user: User,
  entries: readonly CacheEntry[],
): Promise<void> {
  const free = entries.filter(({ object }) => !object.metadata.finalizers?.length);
  const { ok } = await registry.store.txn({
    compare: free.map(({ key, revision }) => ({ key, modRevision: revision })),
    writes: free.map(({ key }) => ({ key, delete: true })),
  });
  const left = ok ? entries.filter((entry) => !free.includes(entry)) : entries;
  for (const entry of left) await removeOne(registry, served, user, entry);
}

async function removeOne(
  registry: Registry,
  served: ServedResource,
  user: User,
  { object }: CacheEntry,
): Promise<void> {
  const { name, namespace = '', deletionTimestamp } = object.metadata;
  if (deletionTimestamp !== undefined) return;
  try {
    await remove(registry, {
      served,
      verb: 'delete',
      namespace,
      name: name!,
      subresource: '',
      options: {},
      user,
      userAgent: 'kube-apiserver',
      warn: () => {},
    });
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
  }
}
