/** Making room: who is evicted for a more important pod, who is spared, and what is written about it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { podDisruptionBudgets, pods, priorityClasses } from '../api/index.ts';
import { asking, type Cluster, labelled, node, place, pod, reason, start } from './testkit/cluster.ts';

const namespace = 'default';

async function startWithPriorities(...nodes: Parameters<typeof start>): Promise<Cluster> {
  const cluster = await start(...nodes);
  for (const [name, value] of [
    ['low', 1],
    ['middle', 50],
    ['high', 100],
  ] as const)
    await cluster.client.create(priorityClasses, { metadata: { name }, value });
  await cluster.client.create(priorityClasses, { metadata: { name: 'meek' }, value: 100, preemptionPolicy: 'Never' });
  return cluster;
}

const withPriority = (priorityClassName: string, cpu: string) => ({
  ...asking(cpu),
  priorityClassName,
  terminationGracePeriodSeconds: 0,
});

const exists = async (cluster: Cluster, name: string) =>
  (await cluster.client.list(pods, { namespace })).items.some((one) => one.metadata.name === name);

describe('a more important pod', () => {
  test('takes the place of the least important that give room enough', async () => {
    await using cluster = await startWithPriorities(node('a'), node('b'));
    for (const [name, priority, host] of [
      ['low', 'low', 'a'],
      ['middle', 'middle', 'b'],
    ] as const) {
      const nodeSelector = { 'kubernetes.io/hostname': host };
      await cluster.client.create(pods, pod(name, { ...withPriority(priority, '3'), nodeSelector }));
      await place(cluster, name);
    }
    await cluster.client.create(pods, pod('high', withPriority('high', '2')));
    assert.equal(await place(cluster, 'high'), 'a');
    assert.equal(await exists(cluster, 'low'), false);
    assert.equal(await exists(cluster, 'middle'), true);
  });

  test('spares those who need not go', async () => {
    await using cluster = await startWithPriorities(node('a'));
    for (const [name, cpu] of [
      ['small', '1'],
      ['large', '3'],
    ] as const) {
      await cluster.client.create(pods, pod(name, withPriority(name === 'small' ? 'low' : 'middle', cpu)));
      await place(cluster, name);
    }
    await cluster.client.create(pods, pod('high', withPriority('high', '1')));
    assert.equal(await place(cluster, 'high'), 'a');
    assert.deepEqual([await exists(cluster, 'small'), await exists(cluster, 'large')], [false, true]);
  });

  test('goes where no budget is broken, if it can', async () => {
    await using cluster = await startWithPriorities(node('a'), node('b'));
    for (const host of ['a', 'b']) {
      const nodeSelector = { 'kubernetes.io/hostname': host };
      await cluster.client.create(
        pods,
        pod(`on-${host}`, { ...withPriority('low', '3'), nodeSelector }, { app: host }),
      );
      await place(cluster, `on-${host}`);
    }
    const budget = labelled('guard', { minAvailable: 1, selector: { matchLabels: { app: 'a' } } });
    await cluster.client.create(podDisruptionBudgets, budget as never);
    await cluster.client.create(pods, pod('high', withPriority('high', '2')));
    assert.equal(await place(cluster, 'high'), 'b');
    assert.equal(await exists(cluster, 'on-a'), true);
  });

  test('with the policy Never waits, and says so', async () => {
    await using cluster = await startWithPriorities(node('a'));
    await cluster.client.create(pods, pod('low', withPriority('low', '3')));
    await place(cluster, 'low');
    await cluster.client.create(pods, pod('meek', withPriority('meek', '2')));
    assert.match(await reason(cluster, 'meek'), /preemption: not eligible due to preemptionPolicy=Never\.$/);
    assert.equal(await exists(cluster, 'low'), true);
  });

  test('waits on the node that it has cleared until its victim is gone, and nobody takes the room meanwhile', async () => {
    await using cluster = await startWithPriorities(node('a'));
    const finalizers = ['example.com/wait'];
    const victim = pod('low', withPriority('low', '3'));
    await cluster.client.create(pods, { ...victim, metadata: { ...victim.metadata, finalizers } });
    await place(cluster, 'low');
    await cluster.client.create(pods, pod('high', withPriority('high', '3')));
    const { status } = await cluster.eventually(async () => {
      const found = await cluster.client.get(pods, { namespace, name: 'high' });
      return found.status?.nominatedNodeName === 'a' && found;
    });
    assert.equal(status?.conditions?.find((one) => one.type === 'PodScheduled')?.reason, 'Unschedulable');
    const leaving = await cluster.client.get(pods, { namespace, name: 'low' });
    const condition = leaving.status?.conditions?.find((one) => one.type === 'DisruptionTarget');
    assert.equal(condition?.reason, 'PreemptionByScheduler');
    await cluster.client.create(pods, pod('thief', withPriority('middle', '2')));
    await reason(cluster, 'thief');
    const operations = [{ op: 'remove', path: '/metadata/finalizers' }];
    await cluster.client.patch(pods, { namespace, name: 'low' }, { type: 'json', operations });
    assert.equal(await place(cluster, 'high'), 'a');
    assert.equal((await cluster.client.get(pods, { namespace, name: 'thief' })).spec.nodeName, undefined);
  });
});
