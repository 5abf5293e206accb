import assert from 'node:assert/strict';
import test from 'node:test';
import { nodes, type Pod, pods } from '../api/index.ts';
import { startCluster, type VirtualClock } from '../testing/index.ts';
import { excess } from './podgc.ts';
import { takesPods } from './testpods.ts';

test('of pods that have ended, the oldest beyond the limit are too many', () => {
  const pod = (name: string, phase: string, minute: number) =>
    ({
      metadata: { name, creationTimestamp: `2026-01-01T00:0${minute}:00Z` },
      spec: { containers: [] },
      status: { phase },
    }) as Pod;
  const all = [
    pod('new', 'Failed', 5),
    pod('old', 'Succeeded', 1),
    pod('runs', 'Running', 0),
    pod('mid', 'Succeeded', 3),
  ];
  assert.deepEqual(
    excess(all, 2).map(({ metadata }) => metadata.name),
    ['old'],
  );
  assert.deepEqual(excess(all, 3), []);
});

test('pods of a node that is gone go, after a while; those of nodes that are there stay', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => takesPods(client));
  for (const name of ['there', 'gone']) {
    await client.create(nodes, { metadata: { name }, spec: {} });
    await client.create(pods, {
      metadata: { name, namespace: 'default' },
      spec: { nodeName: name, containers: [{ name: 'c', image: 'i' }] },
    });
  }
  await client.delete(nodes, { name: 'gone' });
  await (cluster.clock as VirtualClock).advance(35_000);
  assert.equal((await client.list(pods)).items.length, 2, 'the node may come back');
  await cluster.eventually(
    async () => (await client.list(pods)).items.map(({ metadata }) => metadata.name).join() === 'there',
  );
});
