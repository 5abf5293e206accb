import assert from 'node:assert/strict';
import test from 'node:test';
import { persistentVolumeClaims, type Pod, pods, type StatefulSet, statefulSets } from '../../api/index.ts';
import { type Cluster, settle, startCluster } from '../../testing/index.ts';
import { bringUp } from '../testpods.ts';
import { nextSteps } from './plan.ts';

const at = { name: 'db', namespace: 'default' };
const labels = { app: 'db' };
const setOf = (spec: Partial<NonNullable<StatefulSet['spec']>> = {}): StatefulSet => ({
  metadata: at,
  spec: {
    replicas: 3,
    serviceName: 'db',
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'db:1' }] } },
    ...spec,
  },
});

/** `0:ok`, `1:old`, `2:bad`, `0:going`, `1:failed`. */
const podsOf = (...states: string[]): Pod[] =>
  states.map((state) => {
    const [ordinal, how] = state.split(':');
    const ready = how === 'ok' || how === 'old' ? 'True' : 'False';
    return {
      metadata: {
        name: `db-${ordinal}`,
        labels: { 'controller-revision-hash': how === 'old' ? 'r1' : 'r2' },
        ...(how === 'going' && { deletionTimestamp: 'x' }),
      },
      spec: { containers: [] },
      status: { phase: how === 'failed' ? 'Failed' : 'Running', conditions: [{ type: 'Ready', status: ready }] },
    } as Pod;
  });

test('what a set does next', () => {
  const parallel = { podManagementPolicy: 'Parallel' as const };
  for (const [what, spec, states, expected] of [
    ['the first pod, alone', {}, [], '+0'],
    ['all at once when in parallel', parallel, [], '+0 +1 +2'],
    ['nothing until the one before is ready', {}, ['0:bad'], ''],
    ['the next once it is', {}, ['0:ok'], '+1'],
    ['what failed goes first', {}, ['0:ok', '1:failed', '2:ok'], '-1'],
    ['a missing one is made again', {}, ['0:ok', '2:ok'], '+1'],
    ['nothing while one is ending', {}, ['0:ok', '1:going', '2:ok'], ''],
    ['the highest goes when it shrinks', { replicas: 1 }, ['0:ok', '1:ok', '2:ok'], '-2'],
    ['one after the other', { replicas: 1 }, ['0:ok', '1:ok', '2:going'], ''],
    ['not while a lower one is not well', { replicas: 1 }, ['0:bad', '1:ok'], ''],
    ['nor while a lower one that is to go is not', { replicas: 0 }, ['0:bad', '1:bad', '2:bad'], ''],
    ['the lowest may go unwell', { replicas: 0 }, ['0:bad'], '-0'],
    ['all at once, in parallel', { ...parallel, replicas: 1 }, ['0:ok', '1:ok', '2:ok'], '-2 -1'],
    ['a release begins at the end', {}, ['0:old', '1:old', '2:old'], '-2'],
    ['goes on when that is well', {}, ['0:old', '1:old', '2:ok'], '-1'],
    ['and waits while it is not', {}, ['0:old', '1:old', '2:bad'], ''],
    [
      'it stops at the partition',
      { updateStrategy: { rollingUpdate: { partition: 2 } } },
      ['0:old', '1:old', '2:ok'],
      '',
    ],
    [
      'several at once',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } },
      ['0:old', '1:old', '2:old'],
      '-2 -1',
    ],
    ['or waits for somebody to delete', { updateStrategy: { type: 'OnDelete' } }, ['0:old', '1:old', '2:old'], ''],
    ['numbers begin where asked', { ordinals: { start: 5 }, replicas: 2 }, ['5:ok'], '+6'],
  ] as [string, object, string[], string][]) {
    const steps = nextSteps(setOf(spec), podsOf(...states), 'r2', 0);
    const told = steps.map((step) =>
      step.do === 'create' ? `+${step.ordinal}` : `-${step.pod.metadata.name!.slice(3)}`,
    );
    assert.equal(told.join(' '), expected, what);
  }
});

const names = async ({ client }: Cluster) =>
  (await client.list(pods)).items
    .map(({ metadata }) => metadata.name)
    .toSorted()
    .join(' ');
async function until(cluster: Cluster, check: (set: StatefulSet) => boolean): Promise<StatefulSet> {
  return cluster.eventually(async () => {
    await bringUp(cluster.client, cluster.clock.now());
    const set: StatefulSet = await cluster.client.get(statefulSets, at);
    return check(set) ? set : undefined;
  });
}

test('pods come in order with names, host names and claims of their own, and go without their claims', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const volumeClaimTemplates = [
    {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  ] as NonNullable<StatefulSet['spec']>['volumeClaimTemplates'];
  await client.create(statefulSets, setOf({ volumeClaimTemplates }));
  await cluster.eventually(async () => (await names(cluster)) === 'db-0');
  await until(cluster, ({ status }) => status?.readyReplicas === 3);
  assert.equal(await names(cluster), 'db-0 db-1 db-2');
  const { spec, metadata } = await client.get<Pod>(pods, { name: 'db-1', namespace: 'default' });
  assert.deepEqual(
    [spec.hostname, spec.subdomain, metadata.labels!['apps.kubernetes.io/pod-index']],
    ['db-1', 'db', '1'],
  );
  assert.equal(spec.volumes!.find(({ name }) => name === 'data')!.persistentVolumeClaim!.claimName, 'data-db-1');
  await client.patch(statefulSets, at, { type: 'merge', body: { spec: { replicas: 1 } } });
  await until(cluster, ({ status }) => status?.replicas === 1);
  assert.equal(await names(cluster), 'db-0');
  assert.equal((await client.list(persistentVolumeClaims)).items.length, 3, 'what was stored stays');
});

test('a release ends with every pod on the new revision, and the status says so', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await client.create(statefulSets, setOf());
  const before = await until(cluster, ({ status }) => status?.readyReplicas === 3);
  await client.patch(statefulSets, at, {
    type: 'strategic',
    body: { spec: { template: { spec: { containers: [{ name: 'c', image: 'db:2' }] } } } },
  });
  const middle = await until(cluster, ({ status }) => status?.updatedReplicas === 1 && status.currentReplicas === 2);
  assert.notEqual(middle.status!.updateRevision, middle.status!.currentRevision);
  assert.equal(middle.status!.currentRevision, before.status!.currentRevision);
  const done = await until(cluster, ({ status }) => status?.currentRevision === status?.updateRevision);
  assert.equal(done.status!.updatedReplicas, 3);
  const images = (await client.list<Pod>(pods)).items.map((pod) => pod.spec.containers[0]!.image);
  assert.deepEqual(images, ['db:2', 'db:2', 'db:2']);
});

test('a pod that is lost comes back under its name', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await client.create(statefulSets, setOf({ replicas: 2 }));
  await until(cluster, ({ status }) => status?.readyReplicas === 2);
  const ref = { name: 'db-0', namespace: 'default' };
  const { uid } = (await client.get<Pod>(pods, ref)).metadata;
  await client.delete(pods, ref);
  await cluster.eventually(async () => (await client.get<Pod>(pods, ref)).metadata.uid !== uid);
});

test('claims go with the set, or with the pods that a smaller set no longer needs, as its policy says', async () => {
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  for (const [whenScaled, whenDeleted, afterScaling, afterDeletion] of [
    ['Delete', 'Retain', 'data-db-0', 'data-db-0'],
    ['Delete', 'Delete', 'data-db-0', ''],
    ['Retain', 'Delete', 'data-db-0 data-db-1', ''],
    ['Retain', 'Retain', 'data-db-0 data-db-1', 'data-db-0 data-db-1'],
  ] as const) {
    const what = `${whenScaled} ${whenDeleted}`;
    await using cluster = await startCluster({ scheduler: false });
    const { client } = cluster;
    const persistentVolumeClaimRetentionPolicy = { whenScaled: 'Retain', whenDeleted: 'Retain' } as const;
    const spec = { replicas: 2, volumeClaimTemplates: [claim], persistentVolumeClaimRetentionPolicy } as never;
    await client.create(statefulSets, setOf(spec));
    const up = async (count: number) => {
      await bringUp(client, cluster.clock.now());
      return (await client.list(pods)).items.length === count;
    };
    await cluster.eventually(() => up(2));
    // a policy that comes later holds, too
    const patch = (body: object) => client.patch(statefulSets, at, { type: 'merge', body: { spec: body } });
    await patch({ persistentVolumeClaimRetentionPolicy: { whenScaled, whenDeleted } });
    await settle();
    await patch({ replicas: 1 });
    const claims = async () =>
      (await client.list(persistentVolumeClaims)).items.map(({ metadata }) => metadata.name).join(' ');
    const gone = async (count: number) => {
      const { items } = await client.list<Pod>(pods);
      for (const { metadata } of items)
        if (metadata.deletionTimestamp)
          await client.delete(pods, { name: metadata.name!, namespace: 'default' }, { gracePeriodSeconds: 0 });
      return items.length === count;
    };
    await cluster.eventually(() => gone(1));
    await cluster.eventually(async () => (await claims()) === afterScaling, { what: `${what}: ${afterScaling}` });
    await settle();
    assert.equal(await claims(), afterScaling, what);
    await client.delete(statefulSets, at, { propagationPolicy: 'Background' });
    await cluster.eventually(() => gone(0));
    await cluster.eventually(async () => (await claims()) === afterDeletion, { what: `${what}: ${afterDeletion}` });
    await settle();
    assert.equal(await claims(), afterDeletion, what);
  }
});
