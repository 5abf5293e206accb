import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoints, endpointSlices, leases } from '../api/index.ts';
import { formatMicroTime } from '../machinery/index.ts';
import { type Cluster, startCluster, VirtualClock } from '../testing/index.ts';

const quiet = { controllers: false, scheduler: false } as const;
const kubernetes = { name: 'kubernetes', namespace: 'default' };

async function ports({ client }: Cluster): Promise<{ slices: number[]; endpoints: number[] }> {
  const labelSelector = 'kubernetes.io/service-name=kubernetes';
  const { items } = await client.list<any>(endpointSlices, { namespace: 'default', labelSelector });
  const { subsets } = await client.get<any>(endpoints, kubernetes);
  return {
    slices: items.flatMap((slice) => slice.ports.map(({ port }: any) => port)).toSorted(),
    endpoints: subsets.flatMap((subset: any) => subset.ports.map(({ port }: any) => port)).toSorted(),
  };
}

test('the kubernetes Service leads to every API server over the store, for as long as it is there', async () => {
  const clock = new VirtualClock();
  await using first = await startCluster({ ...quiet, clock });
  const { port } = await first.listen();
  assert.deepEqual(await ports(first), { slices: [port], endpoints: [port] });
  {
    await using second = await startCluster({ ...quiet, clock, store: first.store });
    const { port: other } = await second.listen();
    const both = [port, other].toSorted();
    assert.deepEqual(await ports(first), { slices: both, endpoints: both });
    const selection = { namespace: 'kube-system', labelSelector: 'apiserver.kubernetes.io/identity=kube-apiserver' };
    assert.equal((await first.client.list(leases, selection)).items.length, 2);
  }
  assert.deepEqual(await ports(first), { slices: [port], endpoints: [port] });
});

test('one that stopped renewing its lease is taken out by the others; one that renews stays', async () => {
  const clock = new VirtualClock();
  await using cluster = await startCluster({ ...quiet, clock });
  const { client } = cluster;
  const { port } = await cluster.listen();
  const lease = (name: string, at: number) => ({
    metadata: {
      name,
      namespace: 'kube-system',
      labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' },
      annotations: { 'glasshouse.dev/address': `10.0.0.${name.at(-1)}:6443` },
    },
    spec: { holderIdentity: name, leaseDurationSeconds: 3600, renewTime: formatMicroTime(at) },
  });
  // its clock is an hour behind, and yet it is alive
  await client.create<any>(leases, lease('apiserver-1', clock.now() - 3_590_000));
  await client.create<any>(leases, lease('apiserver-2', clock.now()));
  const addresses = async () => {
    const { subsets } = await client.get<any>(endpoints, kubernetes);
    return subsets.flatMap((subset: any) => subset.addresses.map(({ ip }: any) => ip)).toSorted();
  };
  const renew = async (at: number) => {
    const body = { spec: { renewTime: formatMicroTime(at) } };
    await client.patch(leases, { name: 'apiserver-1', namespace: 'kube-system' }, { type: 'merge', body });
  };
  for (let seconds = 10; seconds <= 50; seconds += 10) {
    await clock.advance(10_000);
    await renew(clock.now() - 3_590_000);
  }
  await cluster.eventually(async () => (await addresses()).join(' ') === '10.0.0.1 127.0.0.1', { within: 60_000 });
  assert.ok(port > 0);
});
