import assert from 'node:assert/strict';
import test from 'node:test';
import { configMaps, type Namespace, namespaces, pods, secrets, serviceAccounts, services } from '../api/index.ts';
import { isStatusError } from '../machinery/index.ts';
import { type Cluster, startCluster } from '../testing/index.ts';

async function makeNamespace(cluster: Cluster): Promise<void> {
  await cluster.client.create(namespaces, { metadata: { name: 'x' }, spec: {} });
  await cluster.eventually(
    async () => (await cluster.client.list(serviceAccounts, { namespace: 'x' })).items.length > 0,
  );
}
const isGone = async ({ client }: Cluster) =>
  client.get(namespaces, { name: 'x' }).then(
    () => false,
    (error: unknown) => isStatusError(error, 'NotFound'),
  );

test('a new namespace gets an account for its pods, and what they trust the server by', async () => {
  await using cluster = await startCluster();
  await makeNamespace(cluster);
  assert.deepEqual(
    (await cluster.client.list(serviceAccounts, { namespace: 'x' })).items.map(({ metadata }) => metadata.name),
    ['default'],
  );
  const root = () => cluster.client.get(configMaps, { name: 'kube-root-ca.crt', namespace: 'x' });
  await cluster.eventually(root);
  await cluster.client.delete(configMaps, { name: 'kube-root-ca.crt', namespace: 'x' });
  await cluster.client.delete(serviceAccounts, { name: 'default', namespace: 'x' });
  await cluster.eventually(root, { what: 'the certificate again' });
  await cluster.eventually(() => cluster.client.get(serviceAccounts, { name: 'default', namespace: 'x' }));
});

test('a namespace that is deleted goes with all that is in it', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await makeNamespace(cluster);
  await client.create(secrets, { metadata: { name: 's', namespace: 'x' } });
  await client.create(services, {
    metadata: { name: 's', namespace: 'x' },
    spec: { selector: { a: 'b' }, ports: [{ port: 80 }] },
  });
  await client.create(pods, {
    metadata: { name: 'p', namespace: 'x' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await client.delete(namespaces, { name: 'x' });
  await cluster.eventually(() => isGone(cluster));
  for (const resource of [secrets, services, pods, configMaps, serviceAccounts])
    assert.equal((await client.list(resource as typeof pods, { namespace: 'x' })).items.length, 0, resource.resource);
});

test('what holds a namespace is told in its conditions', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  await makeNamespace(cluster);
  const held = { name: 'held', namespace: 'x' };
  await client.create(configMaps, { metadata: { ...held, finalizers: ['example.com/held'] } });
  await client.delete(namespaces, { name: 'x' });
  const stuck = await cluster.eventually(async () => {
    const now: Namespace = await client.get(namespaces, { name: 'x' });
    return now.status?.conditions?.length ? now : undefined;
  });
  const told = Object.fromEntries(
    stuck.status!.conditions!.map(({ type, status, message }) => [type, `${status}: ${message}`]),
  );
  assert.match(told.NamespaceContentRemaining!, /^True: .*configmaps\. has 1 resource instances/);
  assert.match(told.NamespaceFinalizersRemaining!, /^True: .*example\.com\/held in 1 resource instances/);
  assert.match(told.NamespaceDeletionContentFailure!, /^False: /);
  await client.patch(configMaps, held, { type: 'merge', body: { metadata: { finalizers: null } } });
  await cluster.eventually(() => isGone(cluster));
});
