/** What changes wakes the pods that it can help, and only those. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodes, pods, priorityClasses } from '../api/index.ts';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { asking, type Cluster, node, place, pod, reason, start } from './testkit/cluster.ts';

const namespace = 'default';

/** Far less than what wakes everybody after some minutes. */
const soon = { within: 20_000 };

const comes = ({ client, eventually }: Cluster, name: string) =>
  eventually(async () => (await client.get(pods, { namespace, name })).spec.nodeName || false, soon);

const attempts = ({ metrics }: Cluster) =>
  valueOf(parseExposition(metrics.text()), 'scheduler_schedule_attempts_total', {
    result: 'unschedulable',
    profile: 'default-scheduler',
  });

test('what is written to a pod that fits nowhere does not try it again', async () => {
  await using cluster = await start(node('a'));
  const { client } = cluster;
  await client.create(pods, pod('big', asking('9')));
  await reason(cluster, 'big');
  const annotations = { note: 'seen' };
  await client.patch(pods, { namespace, name: 'big' }, { type: 'merge', body: { metadata: { annotations } } });
  // this one is looked at after all that happened before
  await client.create(pods, pod('small', asking('1')));
  await place(cluster, 'small');
  assert.equal(attempts(cluster), 1);
});

test('a pod that learns to tolerate an unschedulable node is tried again', async () => {
  await using cluster = await start(node('a', { unschedulable: true }));
  const { client } = cluster;
  await client.create(pods, pod('p'));
  assert.match(await reason(cluster, 'p'), /node\(s\) were unschedulable/);
  const { spec } = await client.get(pods, { namespace, name: 'p' });
  const tolerations = [...(spec.tolerations ?? []), { key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }];
  await client.patch(pods, { namespace, name: 'p' }, { type: 'merge', body: { spec: { tolerations } } });
  assert.equal(await comes(cluster, 'p'), 'a');
});

test('a domain that goes lets a pod be spread over those that are left', async () => {
  const zone = (name: string) => ({ labels: { zone: name } });
  const full = { ...zone('y'), allocatable: { cpu: '0' } };
  await using cluster = await start(node('a', zone('x')), node('b', full));
  const { client } = cluster;
  const constraint = {
    topologyKey: 'zone',
    maxSkew: 1,
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
  };
  const web = (name: string) => pod(name, { ...asking('1'), topologySpreadConstraints: [constraint] }, { app: 'web' });
  await client.create(pods, web('one'));
  await place(cluster, 'one');
  await client.create(pods, web('two'));
  await reason(cluster, 'two');
  await client.delete(nodes, { name: 'b' });
  assert.equal(await comes(cluster, 'two'), 'a');
});

test('room that was kept for a pod that is deleted is taken by who waits', async () => {
  await using cluster = await start(node('a'));
  const { client } = cluster;
  for (const [name, value] of Object.entries({ high: 100, middle: 50 }))
    await client.create(priorityClasses, { metadata: { name }, value });
  const low = pod('low', asking('2'));
  await client.create(pods, { ...low, metadata: { ...low.metadata, finalizers: ['example.com/wait'] } });
  await place(cluster, 'low');
  await client.create(pods, pod('high', { ...asking('4'), priorityClassName: 'high' }));
  await cluster.eventually(async () => {
    const { status } = await client.get(pods, { namespace, name: 'high' });
    return status?.nominatedNodeName === 'a';
  });
  await client.create(pods, pod('waits', { ...asking('2'), priorityClassName: 'middle' }));
  await reason(cluster, 'waits');
  await client.delete(pods, { namespace, name: 'high' });
  assert.equal(await comes(cluster, 'waits'), 'a');
});
