import assert from 'node:assert/strict';
import test from 'node:test';
import {
  deviceClasses,
  pods,
  type ResourceClaim,
  resourceClaims,
  resourceClaimTemplates,
  resourceSlices,
} from '../../../api/index.ts';
import { asking, type Cluster, node, place, pod, reason, start } from '../../testkit/cluster.ts';

const namespace = 'default';
const driver = 'gpu.example.com';
const device = (name: string, model: string, memory = '8Gi', more: object = {}) => ({
  name,
  attributes: { model: { string: model }, version: { version: '1.2.0' } },
  capacity: { memory: { value: memory } },
  ...more,
});
async function slice({ client }: Cluster, nodeName: string, ...devices: object[]): Promise<void> {
  const spec = { driver, nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices };
  await client.create(resourceSlices, { metadata: { name: nodeName }, spec } as never);
}
async function gpus({ client }: Cluster): Promise<void> {
  const expression = `device.driver == "${driver}"`;
  await client.create(deviceClasses, { metadata: { name: 'gpus' }, spec: { selectors: [{ cel: { expression } }] } });
}
const cel = (expression: string) => ({ selectors: [{ cel: { expression } }] });
const claim = (name: string, devices: object) =>
  ({ metadata: { name, namespace }, spec: { devices } }) as ResourceClaim;
const exactly = (more: object = {}) => ({ requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpus', ...more } }] });
const using = (name: string, claimName: string) =>
  pod(name, { resourceClaims: [{ name: 'mine', resourceClaimName: claimName }] });
const devicesOf = async ({ client }: Cluster, name: string) =>
  (await client.get<ResourceClaim>(resourceClaims, { namespace, name })).status?.allocation?.devices?.results?.map(
    (one) => `${one.request}:${one.device}`,
  );

test('a pod goes where the devices are that its template asks for, and holds them; the next one waits until they are free', async () => {
  await using cluster = await start(node('a'), node('b'));
  const { client } = cluster;
  await gpus(cluster);
  await slice(cluster, 'b', device('g0', 'big'));
  await client.create(resourceClaimTemplates, {
    metadata: { name: 'one', namespace },
    spec: { spec: { devices: exactly() } },
  } as never);
  const resourceClaimsOf = [{ name: 'mine', resourceClaimTemplateName: 'one' }];
  await client.create(pods, pod('first', { resourceClaims: resourceClaimsOf }));
  assert.equal(await place(cluster, 'first'), 'b');
  const [made] = (await client.list<ResourceClaim>(resourceClaims)).items;
  assert.equal(made!.status!.reservedFor![0]!.name, 'first');
  assert.deepEqual(made!.status!.allocation!.nodeSelector!.nodeSelectorTerms[0]!.matchFields![0]!.values, ['b']);
  assert.deepEqual(made!.metadata.finalizers, ['resource.kubernetes.io/delete-protection']);
  await client.create(pods, pod('second', { resourceClaims: resourceClaimsOf }));
  await cluster.eventually(async () => (await reason(cluster, 'second')).includes('2 cannot allocate all claims'));
  await client.delete(pods, { namespace, name: 'first' }, { gracePeriodSeconds: 0 });
  assert.equal(await place(cluster, 'second'), 'b');
});

test('selectors, counts, alternatives and constraints choose among devices', async () => {
  const big = cel(`device.attributes["${driver}"].model == "big"`);
  for (const [what, devices, expected] of [
    ['a selector by attribute', exactly(big), ['gpu:g1']],
    ['by capacity', exactly(cel(`device.capacity["${driver}"].memory.compareTo(quantity("10Gi")) >= 0`)), ['gpu:g2']],
    ['by version', exactly(cel(`device.attributes["${driver}"].version.isGreaterThan(semver("1.1.0"))`)), ['gpu:g0']],
    ['by a domain that it has not', exactly(cel('!("x" in device.attributes["other.example.com"])')), ['gpu:g0']],
    ['several', exactly({ count: 2, ...big }), ['gpu:g1', 'gpu:g2']],
    ['all', exactly({ allocationMode: 'All', ...big }), ['gpu:g1', 'gpu:g2']],
    [
      'all that match',
      { ...exactly({ count: 2 }), constraints: [{ matchAttribute: `${driver}/model` }] },
      ['gpu:g1', 'gpu:g2'],
    ],
    [
      'none alike',
      { ...exactly({ count: 2 }), constraints: [{ distinctAttribute: `${driver}/model` }] },
      ['gpu:g0', 'gpu:g1'],
    ],
    [
      'the second best',
      {
        requests: [
          {
            name: 'any',
            firstAvailable: [
              { name: 'three', deviceClassName: 'gpus', count: 3, ...big },
              { name: 'two', deviceClassName: 'gpus', count: 2, ...big },
            ],
          },
        ],
      },
      ['any/two:g1', 'any/two:g2'],
    ],
    [
      'one that is tainted',
      exactly({
        ...cel('device.capacity["gpu.example.com"].memory.isLessThan(quantity("2Gi"))'),
        tolerations: [{ operator: 'Exists' }],
      }),
      ['gpu:g3'],
    ],
  ] as const) {
    await using cluster = await start(node('a'));
    await gpus(cluster);
    const taints = [{ key: 'broken', effect: 'NoSchedule' }];
    const small = device('g3', 'old', '1Gi', { taints });
    await slice(cluster, 'a', device('g0', 'small'), device('g1', 'big'), device('g2', 'big', '16Gi'), small);
    await cluster.client.create(resourceClaims, claim('c', devices));
    await cluster.client.create(pods, using('p', 'c'));
    assert.equal(await place(cluster, 'p'), 'a', what);
    assert.deepEqual(await devicesOf(cluster, 'c'), expected, what);
  }
});

test('why a pod has to wait is told, and it goes on when that is over', async () => {
  await using cluster = await start(node('a'));
  const { client } = cluster;
  await client.create(pods, using('p', 'c'));
  assert.match(await reason(cluster, 'p'), /resourceclaim "c" not found/);
  await client.create(resourceClaims, claim('c', exactly()));
  await cluster.eventually(async () =>
    /request gpu: device class gpus does not exist/.test(await reason(cluster, 'p')),
  );
  await gpus(cluster);
  await cluster.eventually(async () => /cannot allocate all claims/.test(await reason(cluster, 'p')));
  await slice(cluster, 'a', device('g0', 'big'));
  assert.equal(await place(cluster, 'p'), 'a');
});

test('two pods share a claim on the node that has its device', async () => {
  await using cluster = await start(node('a'), node('b'));
  await gpus(cluster);
  await slice(cluster, 'a', device('g0', 'big'));
  await cluster.client.create(resourceClaims, claim('c', exactly()));
  for (const name of ['p', 'q']) await cluster.client.create(pods, using(name, 'c'));
  assert.deepEqual([await place(cluster, 'p'), await place(cluster, 'q')], ['a', 'a']);
  const { status } = await cluster.client.get<ResourceClaim>(resourceClaims, { namespace, name: 'c' });
  assert.deepEqual(status!.reservedFor!.map(({ name }) => name).toSorted(), ['p', 'q']);
});

test('partitions of a device are cut from what is left of it', async () => {
  await using cluster = await start(node('a'));
  const { client } = cluster;
  await gpus(cluster);
  const part = (name: string, memory: string) =>
    device(name, 'part', memory, {
      consumesCounters: [{ counterSet: 'gpu-0', counters: { memory: { value: memory } } }],
    });
  const pool = { name: 'a', generation: 1, resourceSliceCount: 2 };
  const sharedCounters = [{ name: 'gpu-0', counters: { memory: { value: '40Gi' } } }];
  const base = { driver, nodeName: 'a', pool };
  await client.create(resourceSlices, { metadata: { name: 'counters' }, spec: { ...base, sharedCounters } } as never);
  const devices = [part('half-0', '20Gi'), part('half-1', '20Gi'), part('whole', '40Gi')];
  await client.create(resourceSlices, { metadata: { name: 'parts' }, spec: { ...base, devices } } as never);
  for (const name of ['p', 'q', 'r']) {
    await client.create(resourceClaims, claim(name, exactly()));
    await client.create(pods, using(name, name));
    if (name !== 'r') assert.equal(await place(cluster, name), 'a');
  }
  assert.deepEqual([await devicesOf(cluster, 'p'), await devicesOf(cluster, 'q')], [['gpu:half-0'], ['gpu:half-1']]);
  assert.match(await reason(cluster, 'r'), /cannot allocate all claims/);
});

test('claims share a device as long as its capacity lasts, in the steps that it deals in', async () => {
  await using cluster = await start(node('a'));
  const { client } = cluster;
  await gpus(cluster);
  const requestPolicy = { default: '1Gi', validRange: { min: '1Gi', step: '1Gi', max: '4Gi' } };
  const capacity = { memory: { value: '8Gi', requestPolicy } };
  await slice(cluster, 'a', { ...device('g0', 'shared'), allowMultipleAllocations: true, capacity });
  const asks = (memory: string) => exactly({ capacity: { requests: { memory } } });
  for (const [name, memory] of [
    ['p', '3500Mi'],
    ['q', '3Gi'],
    ['r', '2Gi'],
    ['s', '5Gi'],
  ] as const) {
    await client.create(resourceClaims, claim(name, asks(memory)));
    await client.create(pods, using(name, name));
    if (name < 'r') assert.equal(await place(cluster, name), 'a');
    else assert.match(await reason(cluster, name), /cannot allocate all claims/);
  }
  const { status } = await client.get<ResourceClaim>(resourceClaims, { namespace, name: 'p' });
  const [result] = status!.allocation!.devices!.results!;
  assert.deepEqual(result!.consumedCapacity, { memory: '4Gi' });
  assert.ok(result!.shareID);
  await client.create(resourceClaims, claim('t', exactly()));
  await client.create(pods, using('t', 't'));
  assert.equal(await place(cluster, 't'), 'a');
});

test('an allocation that nobody uses, and that holds a pod up, is given back and made anew', async () => {
  await using cluster = await start(node('a'), node('b'));
  const { client } = cluster;
  await gpus(cluster);
  await slice(cluster, 'a', device('g0', 'big'));
  await slice(cluster, 'b', device('g0', 'big'));
  const made = await client.create<ResourceClaim>(resourceClaims, claim('c', exactly()));
  const values = ['a'];
  const nodeSelector = {
    nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In' as const, values }] }],
  };
  const results = [{ request: 'gpu', driver, pool: 'a', device: 'g0' }];
  const status = { allocation: { devices: { results }, nodeSelector } };
  await client.update<ResourceClaim>(resourceClaims, { ...made, status }, { subresource: 'status' });
  const spec = { nodeSelector: { 'kubernetes.io/hostname': 'b' }, resourceClaims: [] as object[] };
  spec.resourceClaims.push({ name: 'mine', resourceClaimName: 'c' });
  await client.create(pods, pod('p', spec));
  assert.equal(await place(cluster, 'p'), 'b');
});

test('a pod without claims is told that none can be given back', async () => {
  await using cluster = await start(node('a'));
  await cluster.client.create(pods, pod('big', asking('100')));
  assert.match(await reason(cluster, 'big'), /1 Insufficient cpu\. no new claims to deallocate, preemption: /);
});
