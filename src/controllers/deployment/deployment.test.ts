import assert from 'node:assert/strict';
import test from 'node:test';
import { type Deployment, deployments, events, type Pod, pods, replicaSets, resourceQuotas } from '../../api/index.ts';
import type { Cluster } from '../../testing/index.ts';
import { startCluster, type VirtualClock } from '../../testing/index.ts';
import { bringUp, deployment } from '../testpods.ts';

const ref = { name: 'web', namespace: 'default' };
const read = ({ client }: Cluster): Promise<Deployment> => client.get(deployments, ref);
const podsOf = async ({ client }: Cluster): Promise<Pod[]> => (await client.list(pods)).items;
const imageOf = (pod: Pod) => pod.spec.containers[0]!.image;
const setsOf = async ({ client }: Cluster) =>
  (await client.list(replicaSets)).items.toSorted((a, b) => revision(a) - revision(b));
const revision = ({ metadata }: { metadata: Deployment['metadata'] }) =>
  Number(metadata.annotations?.['deployment.kubernetes.io/revision']);
const setImage = ({ client }: Cluster, image: string) =>
  client.patch(deployments, ref, {
    type: 'strategic',
    body: { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } },
  });
const change = ({ client }: Cluster, spec: object) => client.patch(deployments, ref, { type: 'merge', body: { spec } });
const conditionOf = (object: Deployment, type: string) => object.status?.conditions?.find((one) => one.type === type);

/** Pods come up as soon as they are made, until the Deployment is as it should be. */
async function complete(cluster: Cluster): Promise<Deployment> {
  return cluster.eventually(async () => {
    await bringUp(cluster.client, cluster.clock.now());
    const now = await read(cluster);
    const { status = {}, spec, metadata } = now;
    const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, observedGeneration } = status;
    const done = [replicas, updatedReplicas, availableReplicas].every((count) => count === spec.replicas);
    return done && observedGeneration === metadata.generation ? now : undefined;
  });
}

async function release(spec: Parameters<typeof deployment>[1] = {}): Promise<Cluster> {
  const cluster = await startCluster();
  await cluster.client.create(deployments, deployment('web', spec));
  await complete(cluster);
  return cluster;
}

test('a rolling release never has too few pods, nor too many', async () => {
  await using cluster = await release({
    replicas: 4,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  });
  await setImage(cluster, 'web:2');
  let most = 0;
  let least = Number.POSITIVE_INFINITY;
  await cluster.eventually(async () => {
    const all = (await podsOf(cluster)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    most = Math.max(most, all.length);
    least = Math.min(least, all.filter(({ status }) => status?.phase === 'Running').length);
    await bringUp(cluster.client, cluster.clock.now());
    return all.length === 4 && all.every((pod) => imageOf(pod) === 'web:2');
  });
  assert.equal(most, 5);
  assert.equal(least, 4);
  const done = await complete(cluster);
  assert.equal(revision(done), 2);
  assert.equal(conditionOf(done, 'Progressing')!.reason, 'NewReplicaSetAvailable');
  assert.equal(conditionOf(done, 'Available')!.status, 'True');
});

test('going back to an earlier template uses its set again, as a new revision', async () => {
  await using cluster = await release();
  await setImage(cluster, 'web:2');
  await complete(cluster);
  await setImage(cluster, 'web:1');
  const done = await complete(cluster);
  assert.equal(revision(done), 3);
  const sets = await setsOf(cluster);
  assert.deepEqual(
    sets.map((set) => [revision(set), set.spec!.template!.spec!.containers[0]!.image, set.spec!.replicas]),
    [
      [2, 'web:2', 0],
      [3, 'web:1', 3],
    ],
  );
  const histories = sets.map(({ metadata }) => metadata.annotations!['deployment.kubernetes.io/revision-history']);
  assert.deepEqual(histories, [undefined, '1'], 'what it was before is kept');
});

test('recreate ends every old pod before the first new one', async () => {
  await using cluster = await release({ strategy: { type: 'Recreate' } });
  await setImage(cluster, 'web:2');
  const images = new Set<string>();
  await cluster.eventually(async () => {
    const all = await podsOf(cluster);
    images.add(all.map(imageOf).toSorted().join(' '));
    await bringUp(cluster.client, cluster.clock.now());
    return all.length === 3 && all.every((pod) => imageOf(pod) === 'web:2');
  });
  for (const seen of images) assert.ok(!(seen.includes('web:1') && seen.includes('web:2')), seen);
});

test('a paused Deployment changes its size but not its template', async () => {
  await using cluster = await release();
  await change(cluster, { paused: true });
  await setImage(cluster, 'web:2');
  await change(cluster, { replicas: 5 });
  await cluster.eventually(async () => (await podsOf(cluster)).length === 5);
  assert.ok((await podsOf(cluster)).every((pod) => imageOf(pod) === 'web:1'));
  assert.equal(conditionOf(await read(cluster), 'Progressing')!.reason, 'DeploymentPaused');
  await change(cluster, { paused: false });
  const done = await complete(cluster);
  assert.equal(conditionOf(done, 'Progressing')!.reason, 'NewReplicaSetAvailable');
  assert.ok((await podsOf(cluster)).every((pod) => imageOf(pod) === 'web:2'));
});

test('a release that stands still is said to, and comes to life again', async () => {
  await using cluster = await release({ progressDeadlineSeconds: 30 });
  await setImage(cluster, 'web:2');
  const stuck = await cluster.eventually(async () => {
    const now = await read(cluster);
    return conditionOf(now, 'Progressing')!.status === 'False' ? now : undefined;
  });
  assert.equal(conditionOf(stuck, 'Progressing')!.reason, 'ProgressDeadlineExceeded');
  assert.equal(conditionOf(stuck, 'Available')!.status, 'True', 'the old pods still serve');
  const done = await complete(cluster);
  assert.equal(conditionOf(done, 'Progressing')!.reason, 'NewReplicaSetAvailable');
});

test('a release that was through stays so when a pod fails later', async () => {
  await using cluster = await release({ progressDeadlineSeconds: 30 });
  const [first] = await podsOf(cluster);
  await cluster.client.delete(pods, { name: first!.metadata.name!, namespace: 'default' });
  await (cluster.clock as VirtualClock).advance(120_000);
  const now = await read(cluster);
  assert.equal(now.status!.availableReplicas, 2);
  assert.equal(conditionOf(now, 'Progressing')!.reason, 'NewReplicaSetAvailable');
});

test('old revisions beyond the limit go', async () => {
  await using cluster = await release({ revisionHistoryLimit: 2 });
  for (const image of ['web:2', 'web:3', 'web:4', 'web:5']) {
    await setImage(cluster, image);
    await complete(cluster);
  }
  const left = await cluster.eventually(async () => {
    const sets = await setsOf(cluster);
    return sets.length === 3 ? sets : undefined;
  });
  assert.deepEqual(left.map(revision), [3, 4, 5]);
});

test('a set of the same name that belongs to nobody is stepped around', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await client.create(deployments, deployment('web'));
  const [made] = await cluster.eventually(async () =>
    (await setsOf(cluster)).length > 0 ? setsOf(cluster) : undefined,
  );
  await client.delete(deployments, ref);
  await cluster.eventually(async () => (await setsOf(cluster)).length === 0);
  const labels = { other: 'yes' };
  await client.create(replicaSets, {
    metadata: { name: made!.metadata.name, namespace: 'default' },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    },
  });
  await client.create(deployments, deployment('web'));
  const done = await complete(cluster);
  assert.equal(done.status!.collisionCount, 1);
});

test('minReadySeconds makes availability wait', async () => {
  await using cluster = await startCluster();
  await cluster.client.create(deployments, deployment('web', { replicas: 1, minReadySeconds: 20 }));
  await cluster.eventually(async () => (await bringUp(cluster.client, cluster.clock.now())) > 0);
  const before = cluster.clock.now();
  const ready = await cluster.eventually(async () => {
    const now = await read(cluster);
    return now.status?.readyReplicas === 1 ? now : undefined;
  });
  assert.equal(ready.status!.availableReplicas ?? 0, 0);
  await complete(cluster);
  assert.ok(cluster.clock.now() - before >= 20_000);
});

test('events tell what was scaled', async () => {
  await using cluster = await release();
  const told = await cluster.eventually(async () => {
    const { items } = await cluster.client.list(events);
    return items.find(
      ({ involvedObject, reason }) => involvedObject.kind === 'Deployment' && reason === 'ScalingReplicaSet',
    );
  });
  assert.match(told.message!, /^Scaled up replica set web-[a-z0-9]+ from 0 to 3$/);
});

test('revisions are counted beyond what a number of JavaScript holds', async () => {
  await using cluster = await release();
  const set = (await setsOf(cluster))[0]!;
  const annotations = { 'deployment.kubernetes.io/revision': '3546343826724305832' };
  await cluster.client.patch(
    replicaSets,
    { name: set.metadata.name!, namespace: 'default' },
    { type: 'merge', body: { metadata: { annotations } } },
  );
  await setImage(cluster, 'web:2');
  const done = await complete(cluster);
  assert.equal(done.metadata.annotations?.['deployment.kubernetes.io/revision'], '3546343826724305833');
});

test('what a release is at is told while nothing moves yet, and after a pause', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await client.create(resourceQuotas, {
    metadata: { name: 'none', namespace: 'default' },
    spec: { hard: { pods: '0' } },
  });
  await client.create(deployments, deployment('web'));
  const at = { name: 'web', namespace: 'default' };
  const progress = async () =>
    (await client.get<Deployment>(deployments, at)).status?.conditions?.find(({ type }) => type === 'Progressing');
  const says = (reason: string) =>
    cluster.eventually(async () => ((await progress())?.reason === reason ? progress() : undefined), { what: reason });
  assert.match((await says('NewReplicaSetCreated'))!.message!, /^Created new replica set "web-/);
  const pause = (paused: boolean) => client.patch(deployments, at, { type: 'merge', body: { spec: { paused } } });
  await pause(true);
  await says('DeploymentPaused');
  await pause(false);
  assert.equal((await says('DeploymentResumed'))!.status, 'Unknown');
  await (cluster.clock as VirtualClock).advance(602_000);
  await says('ProgressDeadlineExceeded');
});
