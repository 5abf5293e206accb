import assert from 'node:assert/strict';
import test from 'node:test';
import { type ServiceCIDR, serviceCIDRs } from '../api/index.ts';
import { startCluster } from '../testing/index.ts';

test('a further range of service addresses says that it is not used', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await client.create<ServiceCIDR>(serviceCIDRs, { metadata: { name: 'more' }, spec: { cidrs: ['10.200.0.0/24'] } });
  const ready = await cluster.eventually(async () =>
    (await client.get<ServiceCIDR>(serviceCIDRs, { name: 'more' })).status?.conditions?.find(
      ({ type }) => type === 'Ready',
    ),
  );
  assert.deepEqual([ready.status, ready.reason], ['False', 'NotSupported']);
});
