/** What a KubeSchedulerConfiguration changes: profiles, plugins and their arguments, programs outside. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { nodes, podGroups, pods, serviceAccounts } from '../api/index.ts';
import { Informers } from '../client/index.ts';
import { systemClock } from '../machinery/index.ts';
import { startCluster, VirtualClock } from '../testing/index.ts';
import { runScheduler, type SchedulerConfiguration } from './index.ts';
import { asking, type Cluster, node, place, pod, reason } from './testkit/cluster.ts';

/** A cluster whose scheduler has this configuration. `real`: real time, for those who talk over the network. */
async function startWith(configuration: SchedulerConfiguration, real = false): Promise<Cluster> {
  const clock = real ? systemClock : new VirtualClock();
  const cluster = await startCluster({ scheduler: false, clock });
  const { random } = cluster;
  const stop = new AbortController();
  const client = cluster.clientFor({ name: 'system:kube-scheduler' });
  const { signal } = stop;
  const informers = new Informers({ client, clock, random, signal });
  const scheduler = runScheduler({ client, clock, random, signal, informers, configuration });
  await cluster.eventually(
    async () => (await cluster.client.list(serviceAccounts, { namespace: 'default' })).items.length > 0,
  );
  const dispose = cluster[Symbol.asyncDispose].bind(cluster);
  return Object.assign(cluster, {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await dispose();
      await scheduler.ended;
    },
  });
}

describe('a configuration', () => {
  test('fills nodes up instead of spreading, for the profile that says so', async () => {
    const scoringStrategy = { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 1 }] };
    await using cluster = await startWith({
      profiles: [
        { schedulerName: 'default-scheduler' },
        {
          schedulerName: 'packer',
          plugins: { score: { disabled: [{ name: '*' }], enabled: [{ name: 'NodeResourcesFit', weight: 1 }] } },
          pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy } }],
        },
      ],
    });
    for (const name of ['a', 'b']) await cluster.client.create(nodes, node(name));
    await cluster.client.create(
      pods,
      pod('first', { ...asking('1'), nodeSelector: { 'kubernetes.io/hostname': 'b' } }),
    );
    assert.equal(await place(cluster, 'first'), 'b');
    await cluster.client.create(pods, pod('spread', asking('100m')));
    assert.equal(await place(cluster, 'spread'), 'a');
    await cluster.client.create(pods, pod('packed', { ...asking('1'), schedulerName: 'packer' }));
    assert.equal(await place(cluster, 'packed'), 'b');
  });

  test('leaves a plugin out', async () => {
    const disabled = [{ name: 'TaintToleration' }];
    await using cluster = await startWith({ profiles: [{ plugins: { multiPoint: { disabled } } }] });
    await cluster.client.create(nodes, node('a', { taints: [{ key: 'x', effect: 'NoSchedule' }] }));
    await cluster.client.create(pods, pod('p'));
    assert.equal(await place(cluster, 'p'), 'a');
  });

  test('that cannot be is refused, naming the field', async () => {
    const refused = async (configuration: object) =>
      startWith(configuration).then(
        () => assert.fail('it was taken'),
        (error: Error) => error.message,
      );
    const profiles = [{ schedulerName: 'a' }, { schedulerName: 'a' }];
    assert.equal(await refused({ profiles }), 'profiles[1].schedulerName: a is there twice');
    const plugins = { score: { enabled: [{ name: 'Luck' }] } };
    assert.equal(await refused({ profiles: [{ plugins }] }), 'profiles[0].plugins: there is no plugin Luck');
    assert.match(await refused({ kind: 'Deployment' }), /^kind: Deployment is not known/);
  });
});

test('a gang runs together or not at all', async () => {
  const enabled = [{ name: 'GangScheduling' }];
  await using cluster = await startWith({ profiles: [{ plugins: { multiPoint: { enabled } } }] });
  const { client } = cluster;
  const member = (name: string) => pod(name, { ...asking('3'), schedulingGroup: { podGroupName: 'g' } });
  await client.create(nodes, node('a'));
  const schedulingPolicy = { gang: { minCount: 2 } };
  await client.create(podGroups, { metadata: { name: 'g', namespace: 'default' }, spec: { schedulingPolicy } });
  await client.create(pods, member('one'));
  await client.create(pods, member('two'));
  const placed = async () => (await client.list(pods)).items.filter((one) => one.spec.nodeName).length;
  // one of them has room, and waits for the other
  await cluster.eventually(async () => (await reason(cluster, 'two')) || (await reason(cluster, 'one')));
  assert.equal(await placed(), 0);
  await client.create(nodes, node('b'));
  await cluster.eventually(async () => (await placed()) === 2);
});

test('an extender has a say: what it refuses is not taken, what it prefers is', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (piece) => (text += piece));
    request.on('end', () => {
      const { NodeNames } = JSON.parse(text) as { NodeNames: string[] };
      asked.push(request.url!);
      const left = NodeNames.filter((name) => name !== 'a');
      const answer =
        request.url === '/scheduler/filter'
          ? { NodeNames: left, FailedNodes: { a: 'not liked' } }
          : NodeNames.map((Host) => ({ Host, Score: Host === 'c' ? 10 : 0 }));
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const urlPrefix = `http://127.0.0.1:${(server.address() as AddressInfo).port}/scheduler`;
    const extender = {
      urlPrefix,
      filterVerb: 'filter',
      prioritizeVerb: 'prioritize',
      weight: 100,
      nodeCacheCapable: true,
    };
    await using cluster = await startWith({ extenders: [extender] }, true);
    for (const name of ['a', 'b', 'c']) await cluster.client.create(nodes, node(name));
    await cluster.client.create(pods, pod('p', asking('100m')));
    assert.equal(await place(cluster, 'p'), 'c');
    assert.ok(asked.includes('/scheduler/prioritize'));
    await cluster.client.create(pods, pod('q', { nodeSelector: { 'kubernetes.io/hostname': 'a' } }));
    const told = /^0\/3 nodes are available: 1 not liked, 2 node\(s\) didn't match Pod's node affinity\/selector\./;
    assert.match(await reason(cluster, 'q'), told);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
