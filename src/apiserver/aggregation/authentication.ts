/**
 * What servers behind an APIService need to know to believe this one: whose client certificates count, and in which headers it says who asks. They
 * read it from a ConfigMap of a well-known name.
 */
import { type AnyObject, equalJson, formatTime } from '../../machinery/index.ts';
import { storedBytes } from '../cache/index.ts';
import type { Registry } from '../registry/index.ts';
import { keyFor } from '../resources.ts';
import type { FrontProxy } from './remote.ts';

/** The common name that the front proxy's certificate must have. */
export const frontProxyName = 'front-proxy-client';

/** `clientAuthority`: PEM. What people added to the ConfigMap stays. */
export async function publishAuthentication(
  registry: Registry,
  clientAuthority: string,
  proxy: FrontProxy,
): Promise<void> {
  const served = registry.resources.findKind('v1', 'ConfigMap')!;
  const key = keyFor(served, 'kube-system', 'extension-apiserver-authentication');
  const old = (await registry.resources.cache(served)).entries.get(key);
  const data = {
    ...old?.object.data,
    'client-ca-file': clientAuthority,
    'requestheader-allowed-names': JSON.stringify([frontProxyName]),
    'requestheader-client-ca-file': proxy.authority,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  };
  if (equalJson(old?.object.data, data)) return;
  const metadata = old?.object.metadata ?? {
    name: 'extension-apiserver-authentication',
    namespace: 'kube-system',
    uid: registry.random.uuid(),
    creationTimestamp: formatTime(registry.clock.now()),
  };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } as AnyObject;
  await registry.store.txn({
    compare: [{ key, modRevision: old?.revision ?? 0 }],
    writes: [{ key, value: storedBytes(object) }],
  });
}
