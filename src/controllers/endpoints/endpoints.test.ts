import assert from 'node:assert/strict';
import test from 'node:test';
import {
  deployments,
  type Endpoints,
  endpoints,
  type EndpointSlice,
  endpointSlices,
  pods,
  type Service,
  services,
} from '../../api/index.ts';
import { isStatusError } from '../../machinery/index.ts';
import { type Cluster, startCluster, type VirtualClock } from '../../testing/index.ts';
import { bringUp, deployment } from '../testpods.ts';

const at = { name: 'web', namespace: 'default' };
const webService = (spec: Partial<Service['spec']> = {}): Service => ({
  metadata: at,
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }], ...spec },
});
const slices = async ({ client }: Cluster): Promise<EndpointSlice[]> =>
  (await client.list(endpointSlices, { namespace: 'default', labelSelector: 'kubernetes.io/service-name=web' })).items;
const addresses = async (cluster: Cluster) => (await slices(cluster)).flatMap(({ endpoints: some }) => some ?? []);
const older = ({ client }: Cluster): Promise<Endpoints | undefined> =>
  client.get(endpoints, at).catch((error: unknown) => {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  });

async function serve(replicas: number, service: Service = webService()): Promise<Cluster> {
  const cluster = await startCluster();
  const { client } = cluster;
  await client.create(services, service);
  await client.create(deployments, deployment('web', { replicas }));
  await cluster.eventually(async () => (await client.list(pods)).items.length === replicas);
  await bringUp(client, cluster.clock.now());
  await cluster.eventually(
    async () => (await addresses(cluster)).filter(({ conditions }) => conditions?.ready).length === replicas,
  );
  return cluster;
}

test('a Service leads to its pods as they come and go', async () => {
  await using cluster = await serve(3);
  const { client } = cluster;
  const [slice] = await slices(cluster);
  assert.deepEqual(slice!.ports, [{ name: '', port: 8080, protocol: 'TCP' }]);
  assert.equal(slice!.metadata.labels!['endpointslice.kubernetes.io/managed-by'], 'endpointslice-controller.k8s.io');
  assert.equal((await older(cluster))!.subsets![0]!.addresses!.length, 3);
  await client.patch(deployments, at, { type: 'merge', body: { spec: { replicas: 1 } } });
  await cluster.eventually(async () => (await addresses(cluster)).length === 1);
  assert.deepEqual(
    (await slices(cluster)).map(({ metadata }) => metadata.name),
    [slice!.metadata.name],
    'the same slice, changed',
  );
  await client.delete(services, at);
  await cluster.eventually(async () => (await slices(cluster)).length === 0 && (await older(cluster)) === undefined);
});

test('no slice holds more than a hundred', async () => {
  await using cluster = await serve(130);
  assert.deepEqual((await slices(cluster)).map(({ endpoints: some }) => some!.length).toSorted(), [100, 30]);
});

test('what others do to a slice is undone', async () => {
  await using cluster = await serve(1);
  const [slice] = await slices(cluster);
  const ref = { name: slice!.metadata.name!, namespace: 'default' };
  await cluster.client.patch(endpointSlices, ref, {
    type: 'merge',
    body: { endpoints: [{ addresses: ['192.0.2.1'] }] },
  });
  await cluster.eventually(async () => (await addresses(cluster))[0]?.addresses[0] !== '192.0.2.1');
  await cluster.client.delete(endpointSlices, ref);
  await cluster.eventually(async () => (await addresses(cluster)).length === 1);
});

test('a Service that wants pods before they are ready gets them', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await client.create(services, webService({ clusterIP: 'None', publishNotReadyAddresses: true }));
  await client.create(deployments, deployment('web', { replicas: 1 }));
  const [pod] = await cluster.eventually(async () => {
    const { items } = await client.list(pods);
    return items.length === 1 ? items : undefined;
  });
  const ref = { name: pod!.metadata.name!, namespace: 'default' };
  await client.patch(
    pods,
    ref,
    { type: 'merge', body: { status: { podIP: '10.244.0.9', podIPs: [{ ip: '10.244.0.9' }] } } },
    { subresource: 'status' },
  );
  const [endpoint] = await cluster.eventually(async () => {
    const all = await addresses(cluster);
    return all.length === 1 ? all : undefined;
  });
  assert.deepEqual(endpoint!.conditions, { ready: true, serving: false, terminating: false });
  assert.equal((await slices(cluster))[0]!.metadata.labels!['service.kubernetes.io/headless'], '');
});

test('endpoints of a Service without a selector are whatever somebody writes, and mirrored', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const ports = [{ port: 5432, protocol: 'TCP' as const }];
  await client.create(services, { metadata: at, spec: { ports: [{ port: 5432 }] } });
  await client.create(endpoints, { metadata: at, subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports }] });
  const [slice] = await cluster.eventually(async () => {
    const all = await slices(cluster);
    return all.length > 0 ? all : undefined;
  });
  assert.deepEqual(
    slice!.endpoints!.map((one) => one.addresses),
    [['192.0.2.7']],
  );
  assert.equal(
    slice!.metadata.labels!['endpointslice.kubernetes.io/managed-by'],
    'endpointslicemirroring-controller.k8s.io',
  );
  assert.deepEqual(
    (await older(cluster))!.subsets![0]!.addresses,
    [{ ip: '192.0.2.7' }],
    'the hand-made one is left alone',
  );
  await client.delete(endpoints, at);
  await cluster.eventually(async () => (await slices(cluster)).length === 0);
});

test('at rest, nothing is written', async () => {
  await using cluster = await serve(2);
  const before = (await cluster.client.list(endpointSlices)).metadata.resourceVersion;
  await (cluster.clock as VirtualClock).advance(1_000);
  const again = (await cluster.client.list(endpointSlices)).items.map(({ metadata }) =>
    Number(metadata.resourceVersion),
  );
  assert.ok(again.every((version) => version <= Number(before)));
});
