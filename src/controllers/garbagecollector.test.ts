import assert from 'node:assert/strict';
import test from 'node:test';
import { configMaps, deployments, events, namespaces, type Pod, pods, replicaSets } from '../api/index.ts';
import type { OwnerReference } from '../machinery/index.ts';
import { type Cluster, startCluster, type VirtualClock } from '../testing/index.ts';
import { deployment } from './testpods.ts';

const at = (name: string) => ({ name, namespace: 'default' });
const ownerOf = (name: string, uid: string, more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name,
  uid,
  ...more,
});
const make = async (
  { client }: Cluster,
  name: string,
  ownerReferences: OwnerReference[] = [],
  finalizers: string[] = [],
) => {
  const made = await client.create(configMaps, { metadata: { ...at(name), ownerReferences, finalizers } });
  return made.metadata.uid!;
};
const names = async ({ client }: Cluster) =>
  (await client.list(configMaps, { namespace: 'default' })).items
    .map(({ metadata }) => metadata.name!)
    .filter((name) => !name.includes('.'));
const rest = (cluster: Cluster) => (cluster.clock as VirtualClock).advance(2_000);

test('what an owner leaves behind goes, and what that owned, and so on', async () => {
  await using cluster = await startCluster();
  const a = await make(cluster, 'a');
  const b = await make(cluster, 'b', [ownerOf('a', a)]);
  await make(cluster, 'c', [ownerOf('b', b)]);
  await make(cluster, 'other');
  await cluster.client.delete(configMaps, at('a'));
  await cluster.eventually(async () => (await names(cluster)).join() === 'other');
});

test('an object with an owner left stays, without the one that is gone', async () => {
  await using cluster = await startCluster();
  const a = await make(cluster, 'a');
  const b = await make(cluster, 'b');
  await make(cluster, 'c', [ownerOf('a', a), ownerOf('b', b)]);
  await cluster.client.delete(configMaps, at('a'));
  const kept = await cluster.eventually(async () => {
    const now = await cluster.client.get(configMaps, at('c'));
    return now.metadata.ownerReferences?.length === 1 ? now : undefined;
  });
  assert.equal(kept.metadata.ownerReferences![0]!.uid, b);
});

test('an owner of the same name but another uid is another owner', async () => {
  await using cluster = await startCluster();
  await make(cluster, 'a');
  await make(cluster, 'c', [ownerOf('a', '00000000-0000-4000-8000-000000000000')]);
  await cluster.eventually(async () => (await names(cluster)).join() === 'a');
});

test('an owner of a kind that nobody knows is left alone, with all it owns', async () => {
  await using cluster = await startCluster();
  await make(cluster, 'c', [ownerOf('a', 'x', { apiVersion: 'example.com/v1', kind: 'Unheard' })]);
  await rest(cluster);
  assert.deepEqual(await names(cluster), ['c']);
});

test('in the foreground, the owner goes last', async () => {
  await using cluster = await startCluster();
  const a = await make(cluster, 'a');
  await make(cluster, 'held', [ownerOf('a', a, { blockOwnerDeletion: true })], ['example.com/held']);
  await make(cluster, 'free', [ownerOf('a', a)]);
  await cluster.client.delete(configMaps, at('a'), { propagationPolicy: 'Foreground' });
  await cluster.eventually(async () => (await names(cluster)).join() === 'a,held');
  await rest(cluster);
  assert.deepEqual(await names(cluster), ['a', 'held'], 'what is held holds its owner');
  await cluster.client.patch(configMaps, at('held'), { type: 'merge', body: { metadata: { finalizers: null } } });
  await cluster.eventually(async () => (await names(cluster)).length === 0);
});

test('a whole Deployment goes in the foreground, and in the background', async () => {
  for (const propagationPolicy of ['Foreground', 'Background'] as const) {
    await using cluster = await startCluster();
    const { client } = cluster;
    await client.create(deployments, deployment('web'));
    await cluster.eventually(async () => (await client.list<Pod>(pods)).items.length === 3);
    await client.delete(deployments, at('web'), { propagationPolicy });
    await cluster.eventually(async () => {
      const left = await Promise.all([client.list(deployments), client.list(replicaSets), client.list(pods)]);
      return left.every(({ items }) => items.length === 0);
    });
  }
});

test('orphans stay, and forget their owner', async () => {
  await using cluster = await startCluster();
  const a = await make(cluster, 'a');
  await make(cluster, 'c', [ownerOf('a', a)]);
  await cluster.client.delete(configMaps, at('a'), { propagationPolicy: 'Orphan' });
  await cluster.eventually(async () => (await names(cluster)).join() === 'c');
  await rest(cluster);
  assert.equal((await cluster.client.get(configMaps, at('c'))).metadata.ownerReferences, undefined);
});

test('owners in a circle hold nobody up', async () => {
  await using cluster = await startCluster();
  const made = { a: await make(cluster, 'a'), b: await make(cluster, 'b'), c: await make(cluster, 'c') };
  const owns = async (name: keyof typeof made, owner: keyof typeof made) => {
    const ownerReferences = [ownerOf(owner, made[owner], { blockOwnerDeletion: true })];
    await cluster.client.patch(configMaps, at(name), { type: 'merge', body: { metadata: { ownerReferences } } });
  };
  await owns('a', 'c');
  await owns('b', 'a');
  await owns('c', 'b');
  await cluster.client.delete(configMaps, at('a'), { propagationPolicy: 'Foreground' });
  await cluster.eventually(async () => (await names(cluster)).length === 0);
});

test('what has no namespace and names an owner in one stays, and is told of', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const owner = ownerOf('a', await make(cluster, 'a'));
  await client.create(namespaces, { metadata: { name: 'lost', ownerReferences: [owner] }, spec: {} });
  const told = await cluster.eventually(async () =>
    (await client.list(events)).items.find(({ reason }) => reason === 'OwnerRefInvalidNamespace'),
  );
  assert.equal(told.involvedObject.name, 'lost');
  assert.match(told.message!, /^ownerRef \[v1\/ConfigMap, .* does not exist in namespace ""$/);
  assert.equal((await client.get(namespaces, { name: 'lost' })).metadata.deletionTimestamp, undefined);
});
