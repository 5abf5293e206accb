import { namespaces, type ServiceAccount, serviceAccounts } from '../api/index.ts';
import type { Controller } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';

/** Every namespace has the account that pods run as when they name none. */
export const serviceAccountController: Controller = {
  name: 'serviceaccount-controller',
  account: 'service-account-controller',
  for: namespaces,
  watches: [{ resource: serviceAccounts, keys: ({ metadata }) => [metadata.namespace!] }],
  async reconcile(key, { client, lister }) {
    const namespace = lister(namespaces).get(key);
    if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
    if (lister(serviceAccounts).get(`${key}/default`) !== undefined) return;
    try {
      await client.create<ServiceAccount>(serviceAccounts, { metadata: { name: 'default', namespace: key } });
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    }
  },
};
