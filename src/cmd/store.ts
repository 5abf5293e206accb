/** Opens the store that was chosen. */
import { readFileSync } from 'node:fs';
import { type EtcdPlace, Failure, type UpOptions } from '../cli/index.ts';
import type { Clock } from '../machinery/index.ts';
import { memoryStore, openEmbeddedStore, openEtcdStore, type Store } from '../store/index.ts';

export async function openStore({ store, places }: Pick<UpOptions, 'store' | 'places'>, clock: Clock): Promise<Store> {
  if (store === 'memory') return memoryStore();
  if (store === 'embedded') return openEmbeddedStore({ directory: places.store });
  const { endpoints, prefix, tls } = store;
  return openEtcdStore({ endpoints, prefix, clock, ...(tls && { tls: read(tls) }) });
}

/** For people: where the state is. */
export function describeStore({ store, places }: Pick<UpOptions, 'store' | 'places'>): string {
  if (store === 'memory') return 'in memory: gone when this ends';
  return store === 'embedded'
    ? places.store
    : `etcd at ${store.endpoints.join(', ')}${store.tls ? '' : ', not encrypted'}`;
}

function read(tls: NonNullable<EtcdPlace['tls']>) {
  const contents = (file: string | undefined) => {
    try {
      return file === undefined ? undefined : readFileSync(file);
    } catch (error) {
      throw new Failure(`--store: ${file} cannot be read: ${(error as Error).message}`, error);
    }
  };
  return { ca: contents(tls.ca), certificate: contents(tls.certificate), key: contents(tls.key) };
}
