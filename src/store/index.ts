/**
 * The store: an ordered map from keys to bytes with revisions, compare-and-put transactions, reads and watches from any
 * moment since the last compaction. What it promises is written at `Store` in `store.ts`, and `store.suite.ts` holds every
 * driver to it. It knows nothing of Kubernetes: names of keys, the meaning of values, who may read them and when to
 * compact are its user's. Drivers: `memory` (nothing outlives the process), `embedded` (one folder, one process, an
 * answer means durable) and `etcd` (a cluster elsewhere, several processes).
 */
import type { EtcdOptions } from './etcd/index.ts';
import type { Store } from './store.ts';

export * from './store.ts';
export { memoryStore } from './memory.ts';
export { type EmbeddedOptions, openEmbeddedStore } from './embedded/index.ts';
export { StoreLockedError } from './embedded/lock.ts';
export type { EtcdOptions } from './etcd/index.ts';

/** Loads the driver only where it is chosen. */
export async function openEtcdStore(options: EtcdOptions): Promise<Store> {
  return (await import('./etcd/index.ts')).openEtcdStore(options);
}
