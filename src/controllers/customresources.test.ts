import assert from 'node:assert/strict';
import test from 'node:test';
import { configMaps, customResourceDefinitions, namespaces } from '../api/index.ts';
import { type AnyObject, isStatusError, type Resource } from '../machinery/index.ts';
import { type Cluster, startCluster } from '../testing/index.ts';

const things: Resource<AnyObject> = {
  group: 'example.com',
  version: 'v1',
  resource: 'things',
  kind: 'Thing',
  namespaced: true,
};

async function define({ client, eventually }: Cluster): Promise<void> {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await client.create(customResourceDefinitions, {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  await eventually(async () => {
    const { status } = await client.get(customResourceDefinitions, { name: 'things.example.com' });
    return status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True');
  });
}

const thing = (name: string, metadata: object = {}) =>
  ({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name, namespace: 'default', ...metadata } }) as AnyObject;

async function isGone<T>({ client }: Cluster, resource: Resource<T>, ref: { name: string; namespace?: string }) {
  try {
    await client.get(resource, ref);
    return false;
  } catch (error) {
    return isStatusError(error, 'NotFound');
  }
}

test('custom resources own and are owned', async () => {
  await using cluster = await startCluster();
  await define(cluster);
  const { client, eventually } = cluster;
  const at = (name: string) => ({ name, namespace: 'default' });
  const root = await client.create(things, thing('root'));
  const owner = { apiVersion: 'example.com/v1', kind: 'Thing', name: 'root', uid: root.metadata.uid! };
  const child = await client.create(configMaps, { metadata: { ...at('child'), ownerReferences: [owner] } });
  const map = { apiVersion: 'v1', kind: 'ConfigMap', name: 'child', uid: child.metadata.uid! };
  await client.create(things, thing('grandchild', { ownerReferences: [map] }));
  await client.create(things, thing('other'));
  await client.delete(things, at('root'));
  await eventually(() => isGone(cluster, configMaps, at('child')));
  await eventually(() => isGone(cluster, things, at('grandchild')));
  assert.equal((await client.list(things, { namespace: 'default' })).items.length, 1);
});

test('what a definition leaves behind goes; the definition can come again', async () => {
  await using cluster = await startCluster();
  await define(cluster);
  const { client, eventually } = cluster;
  const root = await client.create(things, thing('root'));
  const owner = { apiVersion: 'example.com/v1', kind: 'Thing', name: 'root', uid: root.metadata.uid! };
  await client.create(configMaps, { metadata: { name: 'child', namespace: 'default', ownerReferences: [owner] } });
  await client.delete(customResourceDefinitions, { name: 'things.example.com' });
  await eventually(() => isGone(cluster, customResourceDefinitions, { name: 'things.example.com' }));
  await eventually(() => isGone(cluster, configMaps, { name: 'child', namespace: 'default' }));
  await define(cluster);
  await client.create(things, thing('root'));
});

test('a namespace goes with its custom resources', async () => {
  await using cluster = await startCluster();
  await define(cluster);
  const { client, eventually } = cluster;
  await client.create(namespaces, { metadata: { name: 'n' }, spec: {} });
  await client.create(things, thing('a', { namespace: 'n' }));
  await client.delete(namespaces, { name: 'n' });
  await eventually(() => isGone(cluster, namespaces, { name: 'n' }));
  assert.deepEqual((await client.list(things, {})).items, []);
});
