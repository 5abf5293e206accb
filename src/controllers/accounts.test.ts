import assert from 'node:assert/strict';
import test from 'node:test';
import { clusterRoleBindings, type Deployment, deployments, replicaSets, serviceAccounts } from '../api/index.ts';
import { startCluster } from '../testing/index.ts';

const web = { name: 'web', namespace: 'default' };
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'web:1' }] } };

test('a controller may do what its own role allows, and nothing when that is taken away', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const binding = { name: 'system:controller:deployment-controller' };
  const before = await client.get(clusterRoleBindings, binding);
  await client.delete(clusterRoleBindings, binding);
  await client.create<Deployment>(deployments, {
    metadata: web,
    spec: { selector: { matchLabels: labels }, template },
  });
  await cluster.eventually(() => client.get(serviceAccounts, { name: 'default', namespace: 'default' }));
  assert.equal((await client.list(replicaSets, { namespace: 'default' })).items.length, 0);
  const { name, labels: own, annotations } = before.metadata;
  await client.create(clusterRoleBindings, { ...before, metadata: { name, labels: own, annotations } });
  await cluster.eventually(async () => (await client.list(replicaSets, { namespace: 'default' })).items.length === 1, {
    within: 1_200_000,
  });
});
