/** An API server over an etcd cluster, without doors: its users are in its process. */
import { generateKeyPairSync } from 'node:crypto';
import { createApiserver } from '../../src/apiserver/index.ts';
import { systemClock as clock, systemRandom as random } from '../../src/machinery/index.ts';
import { openEtcdStore } from '../../src/store/index.ts';

export async function apiserverOver(endpoints: readonly string[]) {
  const store = await openEtcdStore({ endpoints, clock });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const apiserver = await createApiserver({
    store,
    clock,
    random,
    signer: { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), issuer: 'https://faults.test' },
    serviceCIDR: '10.96.0.0/16',
    nodePorts: { from: 30_000, to: 32_767 },
    failed: (error) => {
      throw error;
    },
  });
  return { store, apiserver };
}
