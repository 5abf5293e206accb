/** To the store, and told how long that took where somebody wants to know. */
import type { Store } from '../../store/index.ts';
import type { Registry, ResourceCall } from './context.ts';

export function commit(
  { store, clock }: Pick<Registry, 'store' | 'clock'>,
  { took }: Pick<ResourceCall, 'took'>,
  transaction: Parameters<Store['txn']>[0],
): ReturnType<Store['txn']> {
  const written = store.txn(transaction);
  if (took === undefined) return written;
  const began = clock.monotonic();
  return written.finally(() => took('etcd', clock.monotonic() - began));
}
