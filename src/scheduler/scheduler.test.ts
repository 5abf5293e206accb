/** The scheduler on the real API server, in virtual time: where pods go, and what is said when they cannot. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { events, nodes, pods } from '../api/index.ts';
import { asking, node, place, pod, reason, start } from './testkit/cluster.ts';

const namespace = 'default';

describe('a pod goes', () => {
  test('to the emptier node', async () => {
    await using cluster = await start(node('a'), node('b'));
    await cluster.client.create(pods, pod('full', { ...asking('3'), nodeSelector: { 'kubernetes.io/hostname': 'a' } }));
    assert.equal(await place(cluster, 'full'), 'a');
    await cluster.client.create(pods, pod('next', asking('1')));
    assert.equal(await place(cluster, 'next'), 'b');
  });

  test('where its selector and its affinity allow', async () => {
    await using cluster = await start(node('a', { labels: { disk: 'hdd' } }), node('b', { labels: { disk: 'ssd' } }));
    const required = {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'NotIn', values: ['hdd'] }] }],
    };
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
    await cluster.client.create(pods, pod('fast', { affinity }));
    assert.equal(await place(cluster, 'fast'), 'b');
  });

  test('past a taint only if it tolerates it', async () => {
    await using cluster = await start(node('a', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }));
    await cluster.client.create(pods, pod('plain'));
    assert.match(await reason(cluster, 'plain'), /^0\/1 nodes are available: 1 node\(s\) had untolerated taint/);
    const tolerations = [{ key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' }];
    await cluster.client.create(pods, pod('tolerant', { tolerations }));
    assert.equal(await place(cluster, 'tolerant'), 'a');
  });

  test('away from others like it, when it says so', async () => {
    await using cluster = await start(node('a'), node('b'));
    const term = { labelSelector: { matchLabels: { app: 'x' } }, topologyKey: 'kubernetes.io/hostname' };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    for (const name of ['one', 'two', 'three'])
      await cluster.client.create(pods, pod(name, { affinity }, { app: 'x' }));
    const places = [await place(cluster, 'one'), await place(cluster, 'two')];
    assert.deepEqual(places.sort(), ['a', 'b']);
    assert.match(await reason(cluster, 'three'), /2 node\(s\) didn't match pod anti-affinity rules/);
  });

  test('so that a spread stays within its skew', async () => {
    const zone = (name: string, value: string) => node(name, { labels: { zone: value } });
    await using cluster = await start(zone('a', 'z1'), zone('b', 'z1'), zone('c', 'z2'));
    const topologySpreadConstraints = [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'x' } },
      },
    ];
    const names = ['p1', 'p2', 'p3', 'p4'];
    for (const name of names) await cluster.client.create(pods, pod(name, { topologySpreadConstraints }, { app: 'x' }));
    const places = await Promise.all(names.map((name) => place(cluster, name)));
    assert.equal(places.filter((one) => one === 'c').length, 2);
  });

  test('nowhere while a port of the node is taken', async () => {
    await using cluster = await start(node('a'));
    const spec = { containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 80, hostPort: 8080 }] }] };
    await cluster.client.create(pods, pod('first', spec));
    assert.equal(await place(cluster, 'first'), 'a');
    await cluster.client.create(pods, pod('second', spec));
    assert.match(await reason(cluster, 'second'), /didn't have free ports/);
    await cluster.client.delete(pods, { namespace, name: 'first' }, { gracePeriodSeconds: 0 });
    assert.equal(await place(cluster, 'second'), 'a');
  });
});

describe('a pod that fits nowhere', () => {
  test('says why, in a condition and in an event', async () => {
    await using cluster = await start(node('a'), node('b', { unschedulable: true }));
    await cluster.client.create(pods, pod('big', asking('64')));
    const told =
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.';
    assert.equal(await reason(cluster, 'big'), told);
    const found = await cluster.eventually(async () =>
      (await cluster.client.list(events, { namespace })).items.find((one) => one.reason === 'FailedScheduling'),
    );
    assert.equal(found.message, told);
    assert.equal(found.involvedObject.name, 'big');
  });

  test('is placed once a node comes that it fits', async () => {
    await using cluster = await start(node('a'));
    await cluster.client.create(pods, pod('big', asking('8')));
    await reason(cluster, 'big');
    await cluster.client.create(nodes, node('b', { allocatable: { cpu: '16' } }));
    assert.equal(await place(cluster, 'big'), 'b');
  });

  test('with a gate waits for it without being tried', async () => {
    await using cluster = await start(node('a'));
    await cluster.client.create(pods, pod('gated', { schedulingGates: [{ name: 'example.com/later' }] }));
    await cluster.client.patch(
      pods,
      { namespace, name: 'gated' },
      { type: 'json', operations: [{ op: 'remove', path: '/spec/schedulingGates' }] },
    );
    assert.equal(await place(cluster, 'gated'), 'a');
  });
});

test('a node never gets more than it has', async () => {
  await using cluster = await start(node('a'), node('b'));
  for (let n = 0; n < 12; n++) await cluster.client.create(pods, pod(`p${n}`, asking('900m')));
  await cluster.eventually(
    async () => (await cluster.client.list(pods, { namespace })).items.filter((one) => one.spec.nodeName).length === 8,
  );
  const used = new Map<string, number>();
  for (const { spec } of (await cluster.client.list(pods, { namespace })).items)
    if (spec.nodeName) used.set(spec.nodeName, (used.get(spec.nodeName) ?? 0) + 900);
  assert.deepEqual([...used.values()], [3600, 3600]);
});

test('pods of another scheduler are left alone', async () => {
  await using cluster = await start(node('a'));
  await cluster.client.create(pods, pod('theirs', { schedulerName: 'other' }));
  await cluster.client.create(pods, pod('ours'));
  await place(cluster, 'ours');
  assert.equal((await cluster.client.get(pods, { namespace, name: 'theirs' })).spec.nodeName, undefined);
});
