import assert from 'node:assert/strict';
import test from 'node:test';
import { type CronJob, cronJobs, type CronJobSpec, events, type Job, jobs, pods } from '../../api/index.ts';
import { type Cluster, settle, startCluster, type VirtualClock } from '../../testing/index.ts';
import { report } from '../testpods.ts';

const at = { name: 'tick', namespace: 'default' };
const cronOf = (spec: Partial<CronJobSpec> = {}): CronJob => ({
  metadata: at,
  spec: {
    schedule: '*/5 * * * *',
    jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } } } },
    ...spec,
  },
});
const all = async ({ client }: Cluster): Promise<Job[]> => (await client.list(jobs)).items;
const pass = ({ clock }: Cluster, minutes: number) => (clock as VirtualClock).advance(minutes * 60_000);
async function start(spec: Partial<CronJobSpec> = {}): Promise<Cluster> {
  const cluster = await startCluster({ scheduler: false });
  await cluster.client.create(cronJobs, cronOf(spec));
  await settle();
  return cluster;
}
async function finishAll(cluster: Cluster): Promise<void> {
  for (const pod of (await cluster.client.list(pods)).items)
    if (pod.status?.phase === 'Pending')
      await report(cluster.client, pod, { phase: 'Succeeded', ready: false, exitCode: 0, now: cluster.clock.now() });
  await settle();
}

test('a Job at each time, the last few kept', async () => {
  await using cluster = await start({ successfulJobsHistoryLimit: 2 });
  await pass(cluster, 4);
  assert.equal((await all(cluster)).length, 0, 'not before its time');
  for (let i = 0; i < 4; i++) {
    await pass(cluster, i === 0 ? 2 : 5);
    await finishAll(cluster);
  }
  await pass(cluster, 1);
  assert.equal((await all(cluster)).length, 2);
  const { status }: CronJob = await cluster.client.get(cronJobs, at);
  assert.equal(status!.lastScheduleTime, '2026-01-01T00:20:00Z');
  assert.ok(status!.lastSuccessfulTime);
});

test('what still runs is waited for, replaced, or joined', async () => {
  for (const [concurrencyPolicy, expected] of [
    ['Forbid', 1],
    ['Replace', 1],
    ['Allow', 2],
  ] as const) {
    await using cluster = await start({ concurrencyPolicy });
    await pass(cluster, 6);
    const [first] = await all(cluster);
    await pass(cluster, 5);
    const now = (await all(cluster)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    assert.equal(now.length, expected, concurrencyPolicy);
    assert.equal(
      now.some(({ metadata }) => metadata.uid === first!.metadata.uid),
      concurrencyPolicy !== 'Replace',
      concurrencyPolicy,
    );
  }
});

test('nothing while suspended; of what was missed only the last, and not when it is too late', async () => {
  for (const [startingDeadlineSeconds, expected] of [
    [undefined, 1],
    [60, 0],
  ] as const) {
    await using cluster = await start({ suspend: true, startingDeadlineSeconds });
    await pass(cluster, 23);
    assert.equal((await all(cluster)).length, 0);
    await cluster.client.patch(cronJobs, at, { type: 'merge', body: { spec: { suspend: false } } });
    await settle();
    assert.equal((await all(cluster)).length, expected);
  }
});

test('that far too many starts were missed is told, and the last one is made up for', async () => {
  for (const [startingDeadlineSeconds, expected] of [
    [undefined, true],
    [1200, false],
  ] as const) {
    await using cluster = await start({ suspend: true, startingDeadlineSeconds });
    await pass(cluster, 5 * 102);
    await cluster.client.patch(cronJobs, at, { type: 'merge', body: { spec: { suspend: false } } });
    await settle();
    assert.equal((await all(cluster)).length, 1);
    await pass(cluster, 1);
    const { items } = await cluster.client.list(events, { namespace: 'default' });
    assert.equal(
      items.some(({ reason }) => reason === 'TooManyMissedTimes'),
      expected,
      `${startingDeadlineSeconds}`,
    );
  }
});

const reasons = async ({ client }: Cluster) =>
  (await client.list(events, { namespace: 'default' })).items.map(({ reason, message }) => `${reason}: ${message}`);
const tells = (cluster: Cluster, what: RegExp) =>
  cluster.eventually(async () => (await reasons(cluster)).find((one) => what.test(one)), { what: `${what}` });

test('what becomes of its Jobs is told', async () => {
  await using cluster = await start();
  await pass(cluster, 6);
  await tells(cluster, /^SuccessfulCreate: Created job tick-/);
  await finishAll(cluster);
  await tells(cluster, /^SawCompletedJob: Saw completed job: tick-\d+, condition: Complete$/);
  await pass(cluster, 5);
  const [running] = (await all(cluster)).filter(({ status }) => !status?.completionTime);
  await cluster.client.delete(jobs, { name: running!.metadata.name!, namespace: 'default' });
  await tells(cluster, /^MissingJob: Active job went missing: tick-/);
  assert.equal((await cluster.client.get<CronJob>(cronJobs, at)).status!.active, undefined);
});

test('a Job that somebody else made in its name is told of, and holds nothing up', async () => {
  await using cluster = await start({ concurrencyPolicy: 'Forbid' });
  const { metadata, spec } = await cluster.client.get<CronJob>(cronJobs, at);
  const { name, uid } = metadata as { name: string; uid: string };
  await cluster.client.create<Job>(jobs, {
    metadata: {
      name: 'by-hand',
      namespace: 'default',
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name, uid, controller: true }],
    },
    spec: spec.jobTemplate.spec!,
  });
  await tells(cluster, /^UnexpectedJob: Saw a job that the controller did not create or forgot: by-hand$/);
  await pass(cluster, 6);
  assert.equal((await all(cluster)).length, 2);
});

test('a start that its deadline ruled out, and a day that never comes, are told', async () => {
  {
    await using cluster = await start({ suspend: true, startingDeadlineSeconds: 60 });
    await pass(cluster, 8);
    await cluster.client.patch(cronJobs, at, { type: 'merge', body: { spec: { suspend: false } } });
    await tells(cluster, /^MissSchedule: Missed scheduled time to start a job: Thu, 01 Jan 2026 00:05:00 GMT$/);
  }
  await using cluster = await start({ schedule: '59 23 31 2 *' });
  await tells(cluster, /^InvalidSchedule: invalid schedule: 59 23 31 2 \*/);
});

test('a Job says when it was meant to start, in the zone of its CronJob', async () => {
  await using cluster = await start({ timeZone: 'America/New_York' });
  await pass(cluster, 6);
  const [job] = await all(cluster);
  const annotation = job!.metadata.annotations!['batch.kubernetes.io/cronjob-scheduled-timestamp'];
  assert.equal(annotation, '2025-12-31T19:05:00-05:00');
});
