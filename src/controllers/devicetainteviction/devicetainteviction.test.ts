import assert from 'node:assert/strict';
import test from 'node:test';
import {
  deviceClasses,
  namespaces,
  nodes,
  type Pod,
  pods,
  type ResourceClaim,
  resourceClaims,
  type ResourceSlice,
  resourceSlices,
} from '../../api/index.ts';
import { type Cluster, settle, startCluster, type VirtualClock } from '../../testing/index.ts';
import { takesPods } from '../testpods.ts';

const namespace = 'default';
const driver = 'gpu.example.com';

async function start(): Promise<Cluster> {
  const cluster = await startCluster();
  const { client } = cluster;
  await cluster.eventually(() => takesPods(client));
  await client.create(nodes, {
    metadata: { name: 'a' },
    spec: {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' }, conditions: [{ type: 'Ready', status: 'True' }] },
  });
  await client.create(deviceClasses, { metadata: { name: 'gpus' }, spec: {} });
  const pool = { name: 'a', generation: 1, resourceSliceCount: 1 };
  await client.create<ResourceSlice>(resourceSlices, {
    metadata: { name: 'a' },
    spec: { driver, nodeName: 'a', pool, devices: [{ name: 'g0' }, { name: 'g1' }] },
  });
  return cluster;
}

async function use({ client, ...cluster }: Cluster, name: string, more: object = {}): Promise<void> {
  const request = { name: 'gpu', exactly: { deviceClassName: 'gpus', ...more } };
  await client.create<ResourceClaim>(resourceClaims, {
    metadata: { name, namespace },
    spec: { devices: { requests: [request] } },
  });
  await client.create<Pod>(pods, {
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'x' }], resourceClaims: [{ name: 'mine', resourceClaimName: name }] },
  });
  await cluster.eventually(async () => (await client.get<Pod>(pods, { namespace, name })).spec.nodeName === 'a');
}

test('pods whose device is tainted go, once what they tolerate is over', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await use(cluster, 'first');
  await use(cluster, 'second', { tolerations: [{ key: 'broken', operator: 'Exists', tolerationSeconds: 60 }] });
  const slice = await client.get<ResourceSlice>(resourceSlices, { name: 'a' });
  const taints = [{ key: 'broken', effect: 'NoExecute' as const }];
  const devices = slice.spec.devices!.map((device) => ({ ...device, taints }));
  await client.update<ResourceSlice>(resourceSlices, { ...slice, spec: { ...slice.spec, devices } });
  const going = async (name: string) => {
    const pod = (await client.list<Pod>(pods)).items.find(({ metadata }) => metadata.name === name);
    if (pod === undefined || pod.metadata.deletionTimestamp === undefined) return pod === undefined;
    return pod.status!.conditions!.some(({ reason }) => reason === 'DeletionByDeviceTaintManager');
  };
  await cluster.eventually(() => going('first'));
  await settle();
  assert.equal(await going('second'), false);
  await (cluster.clock as VirtualClock).advance(61_000);
  await cluster.eventually(() => going('second'));
});

test('looking after devices of others is for namespaces that are marked for it', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await use(cluster, 'first');
  const all = { adminAccess: true, allocationMode: 'All' };
  await assert.rejects(use(cluster, 'admin', all), /admin access to devices requires the .* label/);
  const body = { metadata: { labels: { 'resource.kubernetes.io/admin-access': 'true' } } };
  await client.patch(namespaces, { name: namespace }, { type: 'merge', body });
  await use(cluster, 'admin', all);
  const { status } = await client.get<ResourceClaim>(resourceClaims, { namespace, name: 'admin' });
  assert.deepEqual(
    status!.allocation!.devices!.results!.map(({ device }) => device),
    ['g0', 'g1'],
  );
});
