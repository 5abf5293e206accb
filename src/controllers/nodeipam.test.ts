import assert from 'node:assert/strict';
import test from 'node:test';
import { events, type Node, nodes } from '../api/index.ts';
import { runControllers } from '../client/index.ts';
import { settle, startCluster } from '../testing/index.ts';
import { nodeIpam } from './nodeipam.ts';

test('each node gets a range of its own, one that is given up is given again, and that none is left is told', async () => {
  await using cluster = await startCluster({ scheduler: false, controllers: false });
  const { client, clock, random } = cluster;
  const stop = new AbortController();
  const controller = nodeIpam({ clusterCIDR: '10.244.0.0/22', maskSize: 24 });
  const running = runControllers(client, [controller], { clock, random, signal: stop.signal });
  try {
    const add = (name: string, spec: object = {}) => client.create<Node>(nodes, { metadata: { name }, spec });
    const cidrs = async () =>
      (await client.list<Node>(nodes)).items.map(({ metadata, spec }) => `${metadata.name} ${spec.podCIDR ?? '-'}`);
    await add('a', { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] });
    for (const name of ['b', 'c', 'd', 'e']) {
      await add(name);
      await settle();
    }
    assert.deepEqual(await cidrs(), [
      'a 10.244.1.0/24',
      'b 10.244.0.0/24',
      'c 10.244.2.0/24',
      'd 10.244.3.0/24',
      'e -',
    ]);
    await cluster.eventually(async () =>
      (await client.list(events)).items.some(({ reason }) => reason === 'CIDRNotAvailable'),
    );
    await client.delete(nodes, { name: 'c' });
    await cluster.eventually(async () => (await cidrs()).includes('e 10.244.2.0/24'));
  } finally {
    stop.abort();
    await running.ended;
  }
});

test('a range that cannot be cut is refused', () => {
  assert.throws(() => nodeIpam({ clusterCIDR: 'fd00::/64' }), /clusterCIDR/);
  assert.throws(() => nodeIpam({ clusterCIDR: '10.244.0.0/24', maskSize: 16 }), /maskSize/);
});
