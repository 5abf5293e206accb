import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type ClusterRole,
  clusterRoles,
  deployments,
  events,
  type Job,
  jobs,
  type Pod,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  pods,
  type PolicyRule,
} from '../api/index.ts';
import { type Cluster, startCluster } from '../testing/index.ts';
import { statusOf } from './disruptionbudget.ts';
import { bringUp, deployment, report, takesPods } from './testpods.ts';

const at = (name: string) => ({ name, namespace: 'default' });

test('a Job that is no longer of interest goes with its pods', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client, clock } = cluster;
  await client.create<Job>(jobs, {
    metadata: at('j'),
    spec: {
      ttlSecondsAfterFinished: 30,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } },
    },
  });
  const [pod] = await cluster.eventually(async () => {
    const { items } = await client.list<Pod>(pods);
    return items.length > 0 ? items : undefined;
  });
  await report(client, pod!, { phase: 'Succeeded', ready: false, exitCode: 0, now: clock.now() });
  await cluster.eventually(async () => (await client.get<Job>(jobs, at('j'))).status?.completionTime);
  const ended = clock.now();
  await cluster.eventually(
    async () => (await client.list(jobs)).items.length + (await client.list(pods)).items.length === 0,
  );
  assert.ok(clock.now() - ended >= 29_000);
});

test('a role that is made of others follows them', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  const rule = (resource: string): PolicyRule => ({ apiGroups: [''], resources: [resource], verbs: ['get'] });
  const part = (name: string, ...rules: PolicyRule[]): ClusterRole => ({
    metadata: { name, labels: { into: 'all' } },
    rules,
  });
  await client.create<ClusterRole>(clusterRoles, {
    metadata: { name: 'all' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { into: 'all' } }] },
    rules: [],
  });
  await client.create(clusterRoles, part('a', rule('pods')));
  await client.create(clusterRoles, part('b', rule('secrets'), rule('pods')));
  const resources = async () =>
    (await client.get<ClusterRole>(clusterRoles, { name: 'all' })).rules?.map((one) => one.resources![0]).join(' ');
  await cluster.eventually(async () => (await resources()) === 'pods secrets');
  await client.delete(clusterRoles, { name: 'b' });
  await cluster.eventually(async () => (await resources()) === 'pods');
});

test('how many pods may be ended', () => {
  const some = (ready: number, not: number): Pod[] =>
    Array.from({ length: ready + not }, (_, i) => ({
      metadata: { name: `p${i}` },
      spec: { containers: [] },
      status: { conditions: [{ type: 'Ready', status: i < ready ? 'True' : 'False' }] },
    }));
  for (const [what, spec, ready, not, expected, allowed, desired] of [
    ['all but the least', { minAvailable: 2 }, 3, 0, 3, 1, 2],
    ['none below the least', { minAvailable: 2 }, 2, 1, 3, 0, 2],
    ['a share, rounded up', { minAvailable: '50%' }, 5, 0, 5, 2, 3],
    ['so many may be missing', { maxUnavailable: 1 }, 3, 0, 3, 1, 2],
    ['one is missing already', { maxUnavailable: 1 }, 2, 1, 3, 0, 2],
    ['a share may be missing', { maxUnavailable: '30%' }, 10, 0, 10, 3, 7],
    ['nobody can tell', { maxUnavailable: 1 }, 3, 0, undefined, 0, 2],
  ] as [string, object, number, number, number | undefined, number, number][]) {
    const budget = { metadata: { name: 'b', generation: 1 }, spec } as PodDisruptionBudget;
    const { disruptionsAllowed, desiredHealthy } = statusOf(budget, some(ready, not), expected, 0);
    assert.deepEqual([disruptionsAllowed, desiredHealthy], [allowed, desired], what);
  }
});

test('a budget follows its pods and their owner', async () => {
  await using cluster: Cluster = await startCluster();
  const { client } = cluster;
  await client.create(deployments, deployment('web'));
  await client.create<PodDisruptionBudget>(podDisruptionBudgets, {
    metadata: at('web'),
    spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'web' } } },
  });
  const allowed = (wanted: number) =>
    cluster.eventually(async () => {
      await bringUp(client, cluster.clock.now());
      const { status }: PodDisruptionBudget = await client.get(podDisruptionBudgets, at('web'));
      return status?.disruptionsAllowed === wanted ? status : undefined;
    });
  const status = await allowed(1);
  assert.deepEqual([status.expectedPods, status.currentHealthy, status.desiredHealthy], [3, 3, 2]);
  const [pod] = (await client.list<Pod>(pods)).items;
  await report(client, pod!, { phase: 'Running', ready: false, now: cluster.clock.now() });
  await allowed(0);
});

test('a budget that selects nothing, or what nobody can count, is told of', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  const budget = (name: string, app: string) => ({
    metadata: { name, namespace: 'default' },
    spec: { maxUnavailable: 1, selector: { matchLabels: { app } } },
  });
  await cluster.eventually(() => takesPods(client));
  await client.create(podDisruptionBudgets, budget('nothing', 'nothing') as PodDisruptionBudget);
  await client.create(pods, {
    metadata: { name: 'alone', namespace: 'default', labels: { app: 'alone' } },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  });
  await client.create(podDisruptionBudgets, budget('alone', 'alone') as PodDisruptionBudget);
  await cluster.eventually(async () => {
    const { items } = await client.list(events, { namespace: 'default' });
    const told = items.map(({ reason, involvedObject }) => `${involvedObject.name}: ${reason}`);
    return told.includes('nothing: NoPods') && told.includes('alone: UnmanagedPods');
  });
});

test('pods that several budgets select are told; those without a controller are left out of the count', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => takesPods(client));
  for (const name of ['one', 'two'])
    await client.create(podDisruptionBudgets, {
      metadata: { name, namespace: 'default' },
      spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'web' } } },
    } as PodDisruptionBudget);
  await client.create(deployments, deployment('web', { replicas: 2 }));
  await client.create(pods, {
    metadata: { name: 'alone', namespace: 'default', labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  });
  const status = await cluster.eventually(async () => {
    await bringUp(client, cluster.clock.now());
    const { status: now } = await client.get(podDisruptionBudgets, { name: 'one', namespace: 'default' });
    return now?.currentHealthy === 3 && now.expectedPods === 2 ? now : undefined;
  });
  assert.deepEqual([status.desiredHealthy, status.disruptionsAllowed], [1, 2]);
  await cluster.eventually(async () => {
    const { items } = await client.list(events, { namespace: 'default' });
    const told = items.map(({ reason, involvedObject }) => `${involvedObject.name}: ${reason}`);
    return told.includes('alone: MultiplePodDisruptionBudgets') && told.includes('one: UnmanagedPods');
  });
});
