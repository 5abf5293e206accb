import assert from 'node:assert/strict';
import test from 'node:test';
import {
  events,
  type Lease,
  leases,
  type Node,
  nodes,
  type Pod,
  pods,
  type Taint,
  type Toleration,
} from '../../api/index.ts';
import { formatMicroTime, formatTime } from '../../machinery/index.ts';
import { type Cluster, startCluster, type VirtualClock } from '../../testing/index.ts';
import { report, takesPods } from '../testpods.ts';
import { unknownConditions } from './conditions.ts';
import { timeLeft } from './eviction.ts';
import { taintsAfter } from './taints.ts';

const now = '2026-01-01T00:00:00Z';
const node = (ready: string | undefined, taints: Taint[] = [], more: object = {}): Node =>
  ({
    metadata: { name: 'n' },
    spec: { taints, ...more },
    status: { conditions: ready ? [{ type: 'Ready', status: ready }] : [] },
  }) as Node;

test('taints say how a node is, and leave those of others alone', () => {
  const mine: Taint = { key: 'mine', effect: 'NoExecute' };
  const schedule = (key: string): Taint => ({ key: `node.kubernetes.io/${key}`, effect: 'NoSchedule' });
  const execute = (key: string): Taint => ({ key: `node.kubernetes.io/${key}`, effect: 'NoExecute', timeAdded: now });
  for (const [what, before, evicts, expected] of [
    ['ready', node('True'), true, undefined],
    ['not ready', node('False'), true, [schedule('not-ready'), execute('not-ready')]],
    ['not heard of', node('Unknown', [mine]), true, [mine, schedule('unreachable'), execute('unreachable')]],
    ['not heard of, like all others', node('Unknown'), false, [schedule('unreachable')]],
    ['ready again', node('True', [mine, schedule('not-ready'), execute('not-ready')]), true, [mine]],
    ['as it was', node('False', [schedule('not-ready'), execute('not-ready')]), true, undefined],
    [
      'from one to the other',
      node('False', [schedule('unreachable'), execute('unreachable')]),
      true,
      [schedule('not-ready'), execute('not-ready')],
    ],
    ['cordoned', node('True', [], { unschedulable: true }), true, [schedule('unschedulable')]],
    ['not yet anything', node(undefined, [schedule('not-ready')]), true, []],
  ] as [string, Node, boolean, Taint[] | undefined][])
    assert.deepEqual(taintsAfter(before, evicts, now), expected, what);
});

test('of a silent node nothing is known', () => {
  const after = unknownConditions(node('True'), now)!;
  assert.deepEqual(
    after.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['Ready', 'Unknown', 'NodeStatusUnknown'],
      ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ],
  );
  assert.equal(unknownConditions({ ...node('True'), status: { conditions: after } }, now), undefined);
});

test('a pod stays as long as it tolerates', () => {
  const born = '2026-01-01T00:00:00Z';
  const pod = (...tolerations: Toleration[]): Pod => ({
    metadata: { name: 'p', creationTimestamp: born },
    spec: { containers: [], tolerations },
  });
  const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute' };
  const since = () => Date.parse(born) + 10_000;
  const at = Date.parse(born) + 30_000;
  const left = (...tolerations: Toleration[]) => timeLeft(pod(...tolerations), [taint], since, at);
  assert.equal(left(), -20_000);
  assert.equal(left({ operator: 'Exists' }), Number.POSITIVE_INFINITY);
  assert.equal(left({ key: 'k', value: 'v' }), Number.POSITIVE_INFINITY);
  assert.equal(left({ key: 'k', value: 'other' }), -20_000);
  assert.equal(left({ key: 'k', operator: 'Exists', effect: 'NoSchedule' }), -20_000);
  assert.equal(left({ key: 'k', operator: 'Exists', tolerationSeconds: 60 }), 40_000);
  assert.equal(
    timeLeft(pod({ operator: 'Exists', tolerationSeconds: 60 }), [taint], () => 0, at),
    30_000,
    'counted from when the pod came',
  );
});

const leaseRef = (name: string) => ({ name, namespace: 'kube-node-lease' });
async function join({ client, clock }: Cluster, name: string): Promise<void> {
  const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(clock.now()) }];
  await client.create<Node>(nodes, { metadata: { name }, status: { conditions } } as Node);
  await client.create<Lease>(leases, {
    metadata: leaseRef(name),
    spec: { holderIdentity: name, renewTime: formatMicroTime(clock.now()) },
  });
}
const renew = ({ client, clock }: Cluster, name: string) =>
  client.patch(leases, leaseRef(name), { type: 'merge', body: { spec: { renewTime: formatMicroTime(clock.now()) } } });
/** Lets time pass while these nodes go on telling of themselves. */
async function pass(cluster: Cluster, seconds: number, ...alive: string[]): Promise<void> {
  for (let i = 0; i < seconds; i += 10) {
    for (const name of alive) await renew(cluster, name);
    await (cluster.clock as VirtualClock).advance(10_000);
  }
}
const readyIs = async ({ client }: Cluster, name: string) =>
  (await client.get(nodes, { name })).status!.conditions!.find(({ type }) => type === 'Ready')!.status;
const taintsOf = async ({ client }: Cluster, name: string) =>
  ((await client.get(nodes, { name })).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);

test('a node that falls silent is tainted, its pods are not ready, then ended; one that speaks again is welcome', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => takesPods(client));
  await join(cluster, 'a');
  await join(cluster, 'b');
  const tolerations = [
    {
      key: 'node.kubernetes.io/unreachable',
      operator: 'Exists' as const,
      effect: 'NoExecute' as const,
      tolerationSeconds: 60,
    },
  ];
  const made = await client.create<Pod>(pods, {
    metadata: { name: 'p', namespace: 'default' },
    spec: { nodeName: 'a', tolerations, terminationGracePeriodSeconds: 30, containers: [{ name: 'c', image: 'i' }] },
  });
  await report(client, made, { phase: 'Running', ready: true, now: cluster.clock.now() });
  const pod = () => client.get(pods, { name: 'p', namespace: 'default' });
  await pass(cluster, 30, 'b');
  assert.equal(await readyIs(cluster, 'a'), 'True', 'not yet');
  await pass(cluster, 20, 'b');
  assert.equal(await readyIs(cluster, 'a'), 'Unknown');
  assert.equal(await readyIs(cluster, 'b'), 'True');
  assert.deepEqual(await taintsOf(cluster, 'a'), [
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  assert.equal((await pod()).status!.conditions!.find(({ type }) => type === 'Ready')!.status, 'False');
  assert.equal((await pod()).metadata.deletionTimestamp, undefined, 'it is tolerated for a while');
  await pass(cluster, 60, 'b');
  assert.notEqual((await pod()).metadata.deletionTimestamp, undefined);
  assert.equal(
    (await pod()).status!.conditions!.find(({ type }) => type === 'DisruptionTarget')!.reason,
    'DeletionByTaintManager',
  );
  const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(cluster.clock.now()) }];
  await client.patch(
    nodes,
    { name: 'a' },
    { type: 'merge', body: { status: { conditions } } },
    { subresource: 'status' },
  );
  await cluster.eventually(async () => (await taintsOf(cluster, 'a')).length === 0);
});

test('when no node is heard of, no pod is ended', async () => {
  await using cluster = await startCluster({ scheduler: false });
  await join(cluster, 'a');
  await pass(cluster, 120);
  assert.deepEqual(await taintsOf(cluster, 'a'), ['node.kubernetes.io/unreachable:NoSchedule']);
});

test('a taint that somebody sets ends pods that do not tolerate it', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => takesPods(client));
  await join(cluster, 'a');
  for (const [name, tolerations] of [
    ['stays', [{ key: 'k', operator: 'Exists' as const }]],
    ['goes', []],
  ] as const)
    await client.create<Pod>(pods, {
      metadata: { name, namespace: 'default' },
      spec: { nodeName: 'a', tolerations: [...tolerations], containers: [{ name: 'c', image: 'i' }] },
    });
  await client.patch(
    nodes,
    { name: 'a' },
    { type: 'merge', body: { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } } },
  );
  await cluster.eventually(
    async () => (await client.get(pods, { name: 'goes', namespace: 'default' })).metadata.deletionTimestamp,
    { within: 5_000 },
  );
  assert.equal((await client.get(pods, { name: 'stays', namespace: 'default' })).metadata.deletionTimestamp, undefined);
});

test('a node that comes and one that goes are told of', async () => {
  await using cluster = await startCluster({ scheduler: false });
  await join(cluster, 'a');
  const { client } = cluster;
  const told = (reason: string) =>
    cluster.eventually(async () => (await client.list(events)).items.find((one) => one.reason === reason)?.message);
  assert.equal(await told('RegisteredNode'), 'Node a event: Registered Node a in Controller');
  await client.delete(nodes, { name: 'a' });
  assert.equal(await told('RemovingNode'), 'Node a event: Removing Node a from Controller');
});
