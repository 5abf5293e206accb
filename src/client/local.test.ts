import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigMap, configMaps } from '../api/index.ts';
import { startCluster } from '../testing/index.ts';

const ref = { name: 'settings', namespace: 'default' };

test('what was answered may be changed and sent back, and changes nothing before that', async () => {
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const { client } = cluster;
  const made = await client.create<ConfigMap>(configMaps, { metadata: ref, data: { a: '1' } });
  made.data!.a = '2';
  assert.equal((await client.get<ConfigMap>(configMaps, ref)).data?.a, '1');
  const updated = await client.update<ConfigMap>(configMaps, made);
  assert.notEqual(updated.metadata.resourceVersion, made.metadata.resourceVersion);
  const got = await client.get<ConfigMap>(configMaps, ref);
  got.data!.a = '3';
  const [listed] = (await client.list<ConfigMap>(configMaps, { namespace: 'default' })).items;
  assert.equal(listed!.data?.a, '2');
});
