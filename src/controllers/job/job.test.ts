import assert from 'node:assert/strict';
import test from 'node:test';
import { events, type Job, jobs, type JobSpec, type Pod, pods } from '../../api/index.ts';
import { type Cluster, settle, startCluster, type VirtualClock } from '../../testing/index.ts';
import { report } from '../testpods.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import { trackingFinalizer } from './podfor.ts';

const at = { name: 'work', namespace: 'default' };
const jobOf = (spec: Partial<JobSpec> = {}): Job => ({
  metadata: at,
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } }, ...spec },
});
const all = async ({ client }: Cluster): Promise<Pod[]> => (await client.list(pods)).items;
const active = async (cluster: Cluster) =>
  (await all(cluster)).filter(({ status, metadata }) => status?.phase === 'Pending' && !metadata.deletionTimestamp);
const job = ({ client }: Cluster): Promise<Job> => client.get(jobs, at);
const conditionOf = ({ status }: Job, type: string) =>
  status?.conditions?.find((one) => one.type === type && one.status === 'True');
const some = (cluster: Cluster, count: number) =>
  cluster.eventually(async () => ((await active(cluster)).length === count ? active(cluster) : undefined), {
    what: `${count} active pods`,
  });
const ends = (cluster: Cluster, pod: Pod, exitCode = 0) =>
  report(cluster.client, pod, {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    ready: false,
    exitCode,
    now: cluster.clock.now(),
  });
const finished = (cluster: Cluster, type: string) =>
  cluster.eventually(async () => (conditionOf(await job(cluster), type) ? job(cluster) : undefined), { what: type });

async function start(spec: Partial<JobSpec> = {}): Promise<Cluster> {
  const cluster = await startCluster({ scheduler: false });
  await cluster.client.create(jobs, jobOf(spec));
  return cluster;
}

test('indexes are written in ranges', () => {
  for (const text of ['', '0', '0,1', '0-2', '1,3-5,7', '0,2,4,10-12'])
    assert.equal(formatIndexes(parseIndexes(text)), text);
  assert.deepEqual([...parseIndexes('1-9', 4)], [1, 2, 3]);
});

test('a Job runs until enough pods have succeeded, so many at a time, and lets them go', async () => {
  await using cluster = await start({ completions: 3, parallelism: 2 });
  const [first, second] = await some(cluster, 2);
  assert.ok(first!.metadata.finalizers!.includes(trackingFinalizer));
  await ends(cluster, first!);
  await ends(cluster, second!);
  const [third] = await some(cluster, 1);
  await ends(cluster, third!);
  const done = await finished(cluster, 'Complete');
  assert.deepEqual([done.status!.succeeded, done.status!.active ?? 0, done.status!.failed ?? 0], [3, 0, 0]);
  assert.ok(done.status!.startTime && done.status!.completionTime);
  await cluster.eventually(async () => (await all(cluster)).every(({ metadata }) => metadata.finalizers === undefined));
});

test('a pod that fails is replaced, later each time, until the limit', async () => {
  await using cluster = await start({ backoffLimit: 2 });
  const waits: number[] = [];
  for (let i = 0; i < 3; i++) {
    const before = cluster.clock.now();
    const [pod] = await some(cluster, 1);
    waits.push(cluster.clock.now() - before);
    await ends(cluster, pod!, 1);
  }
  const failed = await finished(cluster, 'Failed');
  assert.equal(conditionOf(failed, 'Failed')!.reason, 'BackoffLimitExceeded');
  assert.equal(failed.status!.failed, 3);
  assert.ok(waits[1]! >= 9_000 && waits[2]! >= 19_000, waits.join());
});

test('a pod that is deleted before it ended is counted once and replaced', async () => {
  await using cluster = await start();
  const [pod] = await some(cluster, 1);
  await cluster.client.delete(pods, { name: pod!.metadata.name!, namespace: 'default' });
  const [next] = await some(cluster, 1);
  assert.notEqual(next!.metadata.uid, pod!.metadata.uid);
  await ends(cluster, next!);
  const done = await finished(cluster, 'Complete');
  assert.deepEqual([done.status!.succeeded, done.status!.failed], [1, 1]);
});

test('a Job that takes too long is ended', async () => {
  await using cluster = await start({ activeDeadlineSeconds: 20, parallelism: 2, completions: 2 });
  await some(cluster, 2);
  const failed = await finished(cluster, 'Failed');
  assert.equal(conditionOf(failed, 'Failed')!.reason, 'DeadlineExceeded');
  assert.deepEqual([failed.status!.active ?? 0, failed.status!.failed], [0, 2]);
  assert.equal((await all(cluster)).length, 0);
});

test('each pod of an indexed Job has an index, and a failed one is taken again', async () => {
  await using cluster = await start({ completionMode: 'Indexed', completions: 3, parallelism: 3 });
  const byIndex = (list: Pod[], index: number) =>
    list.find(({ metadata }) => metadata.annotations!['batch.kubernetes.io/job-completion-index'] === `${index}`)!;
  const three = await some(cluster, 3);
  assert.equal(byIndex(three, 2).spec.hostname, 'work-2');
  await ends(cluster, byIndex(three, 0));
  await ends(cluster, byIndex(three, 2));
  await ends(cluster, byIndex(three, 1), 1);
  const [again] = await some(cluster, 1);
  assert.equal((await job(cluster)).status!.completedIndexes, '0,2');
  await ends(cluster, byIndex([again!], 1));
  const done = await finished(cluster, 'Complete');
  assert.deepEqual([done.status!.completedIndexes, done.status!.succeeded, done.status!.failed], ['0-2', 3, 1]);
});

test('indexes fail on their own where they have a limit each', async () => {
  await using cluster = await start({
    completionMode: 'Indexed',
    completions: 2,
    parallelism: 2,
    backoffLimitPerIndex: 0,
  });
  const two = await some(cluster, 2);
  await ends(cluster, two[0]!, 1);
  await ends(cluster, two[1]!);
  const failed = await finished(cluster, 'Failed');
  assert.equal(conditionOf(failed, 'Failed')!.reason, 'FailedIndexes');
  assert.equal(failed.status!.succeeded, 1);
});

test('a success policy ends the Job early, and nobody fails by it', async () => {
  await using cluster = await start({
    completionMode: 'Indexed',
    completions: 3,
    parallelism: 3,
    successPolicy: { rules: [{ succeededCount: 1 }] },
  });
  const [first] = await some(cluster, 3);
  await ends(cluster, first!);
  const done = await finished(cluster, 'Complete');
  assert.equal(conditionOf(done, 'Complete')!.reason, 'SuccessPolicy');
  assert.equal(done.status!.failed ?? 0, 0);
  assert.equal((await active(cluster)).length, 0);
});

test('a failure policy may fail the Job at once, or overlook', async () => {
  const rule = (action: 'FailJob' | 'Ignore') => ({ action, onExitCodes: { operator: 'In' as const, values: [42] } });
  {
    await using cluster = await start({ podFailurePolicy: { rules: [rule('FailJob')] } });
    await ends(cluster, (await some(cluster, 1))[0]!, 42);
    const failed = await finished(cluster, 'Failed');
    assert.equal(conditionOf(failed, 'Failed')!.reason, 'PodFailurePolicy');
    assert.match(conditionOf(failed, 'Failed')!.message!, /exit code 42/);
  }
  await using cluster = await start({ backoffLimit: 0, podFailurePolicy: { rules: [rule('Ignore')] } });
  await ends(cluster, (await some(cluster, 1))[0]!, 42);
  await ends(cluster, (await some(cluster, 1))[0]!);
  assert.equal((await finished(cluster, 'Complete')).status!.failed ?? 0, 0);
});

test('a Job that is suspended has no pods until it goes on', async () => {
  await using cluster = await start();
  await some(cluster, 1);
  const suspend = (value: boolean) =>
    cluster.client.patch(jobs, at, { type: 'merge', body: { spec: { suspend: value } } });
  await suspend(true);
  await cluster.eventually(async () => (await all(cluster)).length === 0);
  const held = await cluster.eventually(async () =>
    conditionOf(await job(cluster), 'Suspended') ? job(cluster) : undefined,
  );
  assert.deepEqual([held.status!.startTime, held.status!.failed ?? 0], [undefined, 0]);
  await (cluster.clock as VirtualClock).advance(60_000);
  assert.equal((await all(cluster)).length, 0);
  await suspend(false);
  await ends(cluster, (await some(cluster, 1))[0]!);
  await finished(cluster, 'Complete');
});

const indexIn = ({ metadata }: Pod) => metadata.annotations!['batch.kubernetes.io/job-completion-index'];

test('with a limit per index each index waits for its own failures only, and they outlive the pod', async () => {
  await using cluster = await start({
    completionMode: 'Indexed',
    completions: 3,
    parallelism: 2,
    backoffLimitPerIndex: 2,
  });
  const waits: number[] = [];
  for (let failures = 0; failures < 3; failures++) {
    const before = cluster.clock.now();
    const mine = await cluster.eventually(async () => (await active(cluster)).find((pod) => indexIn(pod) === '0'));
    waits.push(cluster.clock.now() - before);
    assert.equal(mine.metadata.annotations!['batch.kubernetes.io/job-index-failure-count'], `${failures}`);
    await ends(cluster, mine, 1);
    await settle();
    if (failures === 0) {
      // somebody tidies up: what is not replaced yet stays
      await cluster.client.delete(pods, { name: mine.metadata.name!, namespace: 'default' });
      assert.ok((await all(cluster)).some(({ metadata }) => metadata.uid === mine.metadata.uid));
      const other = (await active(cluster)).find((pod) => indexIn(pod) === '1')!;
      const at = cluster.clock.now();
      await ends(cluster, other);
      await (cluster.clock as VirtualClock).advance(10_500);
      await cluster.eventually(async () => (await active(cluster)).some((pod) => indexIn(pod) === '2'));
      assert.ok(cluster.clock.now() - at < 15_000);
    }
  }
  assert.ok(waits[1]! < 12_000 && waits[2]! >= 18_000 && waits[2]! < 25_000, waits.join());
  await ends(cluster, (await active(cluster)).find((pod) => indexIn(pod) === '2')!);
  const failed = await finished(cluster, 'Failed');
  assert.deepEqual([failed.status!.failedIndexes, failed.status!.failed], ['0', 3]);
});

test('an indexed Job made smaller ends the pods of the indexes that it has no more', async () => {
  await using cluster = await start({ completionMode: 'Indexed', completions: 4, parallelism: 4 });
  await some(cluster, 4);
  await cluster.client.patch(jobs, at, { type: 'merge', body: { spec: { completions: 2, parallelism: 2 } } });
  assert.deepEqual((await some(cluster, 2)).map(indexIn).toSorted(), ['0', '1']);
});

test('that a Job is held, and goes on, is told', async () => {
  await using cluster = await start({ suspend: true });
  await settle();
  await cluster.client.patch(jobs, at, { type: 'merge', body: { spec: { suspend: false } } });
  await some(cluster, 1);
  const told = async () => (await cluster.client.list(events, { namespace: 'default' })).items.map((one) => one.reason);
  await cluster.eventually(async () => {
    const reasons = await told();
    return reasons.includes('Suspended') && reasons.includes('Resumed');
  });
});
