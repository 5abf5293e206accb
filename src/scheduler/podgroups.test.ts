/** Pods of a group get nodes together or not at all, and the group says what came of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodes, type Pod, podGroups, pods, priorityClasses, workloads } from '../api/index.ts';
import { asking, type Cluster, labelled, node, place, pod, start } from './testkit/cluster.ts';

const namespace = 'default';

const gang = (name: string, minCount: number) => labelled(name, { schedulingPolicy: { gang: { minCount } } });

const member = (name: string, podGroupName: string, cpu: string, more: object = {}) =>
  pod(name, { ...asking(cpu), terminationGracePeriodSeconds: 0, schedulingGroup: { podGroupName }, ...more });

const placed = async ({ client }: Cluster, group: string): Promise<string[]> =>
  (await client.list(pods, { namespace })).items
    .filter(({ spec }) => spec.schedulingGroup?.podGroupName === group && spec.nodeName)
    .map(({ metadata }) => metadata.name!);

const told = ({ client, eventually }: Cluster, name: string, status: 'True' | 'False') =>
  eventually(async () => {
    const { status: now } = await client.get(podGroups, { namespace, name });
    return now?.conditions?.find((one) => one.type === 'PodGroupScheduled' && one.status === status);
  });

const unscheduled = ({ client, eventually }: Cluster, name: string) =>
  eventually(async () => {
    const { status } = (await client.get(pods, { namespace, name })) as Pod;
    return status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False')?.message || false;
  });

describe('a gang', () => {
  test('waits for its group, then for enough pods, before any is tried', async () => {
    await using cluster = await start(node('a'));
    const { client } = cluster;
    await client.create(pods, member('one', 'g', '1'));
    await client.create(podGroups, gang('g', 2) as never);
    await client.create(pods, pod('other', asking('1')));
    assert.equal(await place(cluster, 'other'), 'a');
    assert.deepEqual(await placed(cluster, 'g'), []);
    await client.create(pods, member('two', 'g', '1'));
    assert.equal(await place(cluster, 'one'), 'a');
    assert.equal(await place(cluster, 'two'), 'a');
    assert.equal((await told(cluster, 'g', 'True')).reason, 'Scheduled');
  });

  test('that does not fit holds nothing: what is smaller takes the room', async () => {
    await using cluster = await start(node('a'));
    const { client } = cluster;
    await client.create(podGroups, gang('big', 2) as never);
    for (const name of ['one', 'two']) await client.create(pods, member(name, 'big', '3'));
    const condition = await told(cluster, 'big', 'False');
    assert.equal(condition.reason, 'Unschedulable');
    const messages = [await unscheduled(cluster, 'one'), await unscheduled(cluster, 'two')].sort();
    assert.match(messages[0]!, /^0\/1 nodes are available: 1 Insufficient cpu\./);
    assert.equal(messages[1], 'waiting for minCount pods from a gang to be scheduled');
    // a pod that waited with a node in hand would keep this one out
    await client.create(pods, pod('small', asking('4')));
    assert.equal(await place(cluster, 'small'), 'a');
    assert.deepEqual(await placed(cluster, 'big'), []);
    for (const name of ['b', 'c']) await client.create(nodes, node(name));
    await cluster.eventually(async () => (await placed(cluster, 'big')).length === 2);
    await told(cluster, 'big', 'True');
  });

  test('of two that cannot both run, one runs', async () => {
    await using cluster = await start(node('a'), node('b'));
    const { client } = cluster;
    for (const group of ['g', 'h']) await client.create(podGroups, gang(group, 2) as never);
    for (const n of [1, 2])
      for (const group of ['g', 'h']) await client.create(pods, member(`${group}${n}`, group, '3'));
    await cluster.eventually(
      async () => [...(await placed(cluster, 'g')), ...(await placed(cluster, 'h'))].length === 2,
    );
    const counts = [await placed(cluster, 'g'), await placed(cluster, 'h')].map((list) => list.length);
    assert.deepEqual(counts.sort(), [0, 2]);
  });

  test('runs with as many as it needs; the rest come when there is room', async () => {
    await using cluster = await start(node('a'));
    const { client } = cluster;
    await client.create(podGroups, gang('g', 2) as never);
    for (const n of [1, 2, 3]) await client.create(pods, member(`p${n}`, 'g', '2'));
    await cluster.eventually(async () => (await placed(cluster, 'g')).length === 2);
    await told(cluster, 'g', 'True');
    await client.create(nodes, node('b'));
    await cluster.eventually(async () => (await placed(cluster, 'g')).length === 3);
    assert.equal((await told(cluster, 'g', 'True')).reason, 'Scheduled');
  });

  test('evicts the less important only if then all of it fits', async () => {
    await using cluster = await start(node('a'), node('b'));
    const { client } = cluster;
    await client.create(priorityClasses, { metadata: { name: 'high' }, value: 1000 } as never);
    const grace = { terminationGracePeriodSeconds: 0 };
    for (const name of ['low-1', 'low-2']) await client.create(pods, pod(name, { ...asking('3'), ...grace }));
    for (const name of ['low-1', 'low-2']) await place(cluster, name);
    const high = { priorityClassName: 'high' };
    await client.create(podGroups, gang('three', 3) as never);
    for (const n of [1, 2, 3]) await client.create(pods, member(`t${n}`, 'three', '3', high));
    await told(cluster, 'three', 'False');
    const left = async () =>
      (await client.list(pods, { namespace })).items.filter(({ metadata }) => metadata.name!.startsWith('low'));
    assert.equal((await left()).length, 2);
    await client.create(podGroups, gang('two', 2) as never);
    for (const n of [1, 2]) await client.create(pods, member(`u${n}`, 'two', '3', high));
    await cluster.eventually(async () => (await placed(cluster, 'two')).length === 2);
    assert.equal((await left()).length, 0);
    assert.deepEqual(await placed(cluster, 'three'), []);
  });
});

test('a group without a gang places each of its pods by itself', async () => {
  await using cluster = await start(node('a'));
  const { client } = cluster;
  await client.create(podGroups, labelled('g', { schedulingPolicy: { basic: {} } }) as never);
  for (const n of [1, 2]) await client.create(pods, member(`p${n}`, 'g', '3'));
  await cluster.eventually(async () => (await placed(cluster, 'g')).length === 1);
  await told(cluster, 'g', 'True');
});

test('a group names a template that a workload has', async () => {
  await using cluster = await start();
  const { client } = cluster;
  const template = { name: 'workers', schedulingPolicy: { gang: { minCount: 2 } } };
  const of = (workloadName: string, podGroupTemplateName: string) => ({
    ...template,
    name: undefined,
    podGroupTemplateRef: { workload: { workloadName, podGroupTemplateName } },
  });
  const create = (name: string, spec: object) => client.create(podGroups, labelled(name, spec) as never);
  await assert.rejects(create('g', of('w', 'workers')), /PodGroup rejected: Workload "w" not found/);
  await client.create(workloads, labelled('w', { podGroupTemplates: [template] }) as never);
  await assert.rejects(create('g', of('w', 'drivers')), /PodGroupTemplate "drivers" not found in Workload "w"/);
  await create('g', of('w', 'workers'));
});
