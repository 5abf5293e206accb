import { type ConfigMap, configMaps, namespaces } from '../api/index.ts';
import type { Controller } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';

const name = 'kube-root-ca.crt';

/** Every namespace has the certificate that pods trust the API server by. `clusterCA` is PEM. */
export function rootCAPublisher(clusterCA: string): Controller {
  const data = { 'ca.crt': clusterCA };
  return {
    name: 'root-ca-certificate-publisher',
    account: 'root-ca-cert-publisher',
    for: namespaces,
    watches: [
      {
        resource: configMaps,
        keys: ({ metadata }) => (metadata.name === name ? [metadata.namespace!] : []),
      },
    ],
    async reconcile(key, { client, lister }) {
      const namespace = lister(namespaces).get(key);
      if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
      const found = lister<ConfigMap>(configMaps).get(`${key}/${name}`);
      if (found === undefined)
        return create(client.create<ConfigMap>(configMaps, { metadata: { name, namespace: key }, data }));
      if (found.data?.['ca.crt'] === clusterCA) return;
      await client.update<ConfigMap>(configMaps, { ...found, data });
    },
  };
}

async function create(made: Promise<unknown>): Promise<void> {
  try {
    await made;
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
  }
}
