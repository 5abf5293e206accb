import assert from 'node:assert/strict';
import test from 'node:test';
import {
  events,
  type Pod,
  pods,
  priorityClasses,
  type ReplicaSet,
  replicaSets,
  type ReplicationController,
  replicationControllers,
} from '../api/index.ts';
import { controllerOf } from '../machinery/index.ts';
import { type Cluster, startCluster, type VirtualClock } from '../testing/index.ts';
import { bringUp, report, takesPods } from './testpods.ts';

const ref = { name: 'set', namespace: 'default' };
const labels = { app: 'set' };
const spec = { containers: [{ name: 'c', image: 'x' }] };
const setOf = (replicas: number, template: object = spec): ReplicaSet =>
  ({
    metadata: ref,
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: template } },
  }) as ReplicaSet;
const all = async ({ client }: Cluster): Promise<Pod[]> => (await client.list(pods)).items;
const count = (cluster: Cluster, wanted: number) =>
  cluster.eventually(async () => (await all(cluster)).length === wanted, { what: `${wanted} pods` });
const refOf = ({ metadata }: Pod) => ({ name: metadata.name!, namespace: 'default' });
const stray = (name: string, own: Record<string, string> = labels): Pod => ({
  metadata: { name, namespace: 'default', labels: own },
  spec,
});

test('exactly as many pods as wanted, up and down, however many', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(replicaSets, setOf(60));
  await count(cluster, 60);
  await (cluster.clock as VirtualClock).advance(5_000);
  assert.equal((await all(cluster)).length, 60, 'none is made twice');
  await cluster.client.patch(replicaSets, ref, { type: 'merge', body: { spec: { replicas: 2 } } });
  await count(cluster, 2);
});

test('a pod that is deleted, or fails, is replaced', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(replicaSets, setOf(2));
  await count(cluster, 2);
  const [first, second] = await all(cluster);
  await cluster.client.delete(pods, refOf(first!));
  await cluster.eventually(async () => {
    const now = await all(cluster);
    return now.length === 2 && now.every(({ metadata }) => metadata.uid !== first!.metadata.uid);
  });
  await report(cluster.client, second!, { phase: 'Failed', ready: false, now: cluster.clock.now() });
  await cluster.eventually(
    async () => (await all(cluster)).filter(({ status }) => status?.phase !== 'Failed').length === 2,
  );
});

test('a pod that matches and has no owner is adopted; one that no longer matches is let go and replaced', async () => {
  await using cluster = await startCluster();
  await cluster.eventually(() => takesPods(cluster.client));
  await cluster.client.create(pods, stray('mine'));
  await cluster.client.create(replicaSets, setOf(2));
  await count(cluster, 2);
  const mine = () => cluster.client.get(pods, { name: 'mine', namespace: 'default' });
  await cluster.eventually(async () => controllerOf(await mine())?.name === 'set');
  await cluster.client.patch(
    pods,
    { name: 'mine', namespace: 'default' },
    { type: 'merge', body: { metadata: { labels: { app: 'other' } } } },
  );
  await count(cluster, 3);
  await cluster.eventually(async () => controllerOf(await mine()) === undefined);
});

test('the status counts ready, available and ending pods', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(replicaSets, setOf(3));
  await count(cluster, 3);
  const [first] = await all(cluster);
  await bringUp(cluster.client, cluster.clock.now(), (pod) => pod.metadata.uid === first!.metadata.uid);
  const status = await cluster.eventually(async () => {
    const set = await cluster.client.get(replicaSets, ref);
    return set.status?.readyReplicas === 1 ? set.status : undefined;
  });
  assert.deepEqual(
    [status.replicas, status.availableReplicas, status.fullyLabeledReplicas, status.observedGeneration],
    [3, 1, 3, 1],
  );
});

test('pods that cannot be made are told of, and tried again', async () => {
  await using cluster = await startCluster();
  // the class does not exist, so no pod of this template is let in
  await cluster.client.create(replicaSets, setOf(5, { ...spec, priorityClassName: 'none-such' }));
  const set = await cluster.eventually(async () => {
    const now = await cluster.client.get(replicaSets, ref);
    return now.status?.conditions?.some(({ type }) => type === 'ReplicaFailure') ? now : undefined;
  });
  assert.equal(set.status!.conditions![0]!.reason, 'FailedCreate');
  await cluster.eventually(async () =>
    (await cluster.client.list(events)).items.some(({ reason }) => reason === 'FailedCreate'),
  );
  assert.equal(set.status!.replicas, 0);
  await cluster.client.create(priorityClasses, { metadata: { name: 'none-such' }, value: 1 });
  await count(cluster, 5);
  await cluster.eventually(async () => (await cluster.client.get(replicaSets, ref)).status?.conditions === undefined);
});

test('orphaned pods stay, and are adopted by the next set that selects them', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(replicaSets, setOf(2));
  await count(cluster, 2);
  const before = (await all(cluster)).map(({ metadata }) => metadata.uid).toSorted();
  await cluster.client.delete(replicaSets, ref, { propagationPolicy: 'Orphan' });
  await cluster.eventually(async () => (await cluster.client.list(replicaSets)).items.length === 0);
  assert.equal((await all(cluster)).length, 2);
  await cluster.client.create(replicaSets, setOf(2));
  await cluster.eventually(async () => (await all(cluster)).every((pod) => controllerOf(pod)?.name === 'set'));
  assert.deepEqual((await all(cluster)).map(({ metadata }) => metadata.uid).toSorted(), before);
});

test('a ReplicationController keeps its pods, too', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await client.create<ReplicationController>(replicationControllers, {
    metadata: ref,
    spec: { replicas: 2, selector: labels, template: { metadata: { labels }, spec } },
  });
  await count(cluster, 2);
  await bringUp(client, cluster.clock.now());
  await cluster.eventually(
    async () => (await client.get<ReplicationController>(replicationControllers, ref)).status?.availableReplicas === 2,
  );
  await client.patch(replicationControllers, ref, { type: 'merge', body: { spec: { replicas: 0 } } });
  await count(cluster, 0);
});
