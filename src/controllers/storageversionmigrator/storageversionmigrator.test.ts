/** Migrations on the real API server: what is stored before and after, what is told of it, and by whose rights. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CustomResourceDefinition,
  customResourceDefinitions,
  type StorageVersionMigration,
  storageVersionMigrations,
} from '../../api/index.ts';
import { type AnyObject, isStatusError, type Resource } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';

const things: Resource<AnyObject> = {
  group: 'example.com',
  version: 'v1',
  resource: 'things',
  kind: 'Thing',
  namespaced: true,
};
const prefix = '/registry/example.com/things/';

async function define({ client, eventually }: Cluster): Promise<void> {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema });
  await client.create<CustomResourceDefinition>(customResourceDefinitions, {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [version('v1', true), version('v2', false)],
    },
  });
  await eventually(async () => conditionOf(await definition(client), 'Established')?.status === 'True');
}

const definition = (client: Cluster['client']) => client.get(customResourceDefinitions, { name: 'things.example.com' });
const conditionOf = (object: any, type: string) => object.status?.conditions?.find((one: any) => one.type === type);

async function storeV2(client: Cluster['client']): Promise<void> {
  const operations = [
    { op: 'replace', path: '/spec/versions/0/storage', value: false },
    { op: 'replace', path: '/spec/versions/1/storage', value: true },
  ];
  await client.patch(customResourceDefinitions, { name: 'things.example.com' }, { type: 'json', operations });
}

async function storedVersions({ store }: Cluster): Promise<string[]> {
  const { entries } = await store.range({ start: prefix, end: `${prefix}\u{10ffff}` });
  return entries.map(({ value }) => JSON.parse(Buffer.from(value).toString()).apiVersion);
}

const migration = (name: string, resource: { group?: string; resource: string }): StorageVersionMigration =>
  ({ metadata: { name }, spec: { resource } }) as StorageVersionMigration;

const over = (cluster: Cluster, name: string, type: 'Succeeded' | 'Failed') =>
  cluster.eventually(
    async () => {
      const found = await cluster.client.get<StorageVersionMigration>(storageVersionMigrations, { name });
      const running = conditionOf(found, 'Running');
      return conditionOf(found, type)?.status === 'True' && running?.status !== 'True' && found;
    },
    { within: 180_000, what: `${name} ${type}` },
  );

test('every object is stored in the new version, and the definition forgets the old one', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await define(cluster);
  for (let i = 0; i < 40; i++)
    await client.create(things, {
      apiVersion: 'example.com/v1',
      kind: 'Thing',
      metadata: { name: `t${i}`, namespace: 'default' },
      data: i,
    } as AnyObject);
  await storeV2(client);
  await cluster.eventually(async () => (await definition(client)).status?.storedVersions?.length === 2);
  assert.deepEqual([...new Set(await storedVersions(cluster))], ['example.com/v1']);
  const before = await client.get(things, { name: 't7', namespace: 'default' });

  await client.create(storageVersionMigrations, migration('first', { group: 'example.com', resource: 'things' }));
  const done = await over(cluster, 'first', 'Succeeded');
  assert.match(done.status!.resourceVersion!, /^\d+$/);
  assert.equal(conditionOf(done, 'Running').reason, 'MigrationCompleted');
  assert.deepEqual([...new Set(await storedVersions(cluster))], ['example.com/v2']);
  const after = await client.get(things, { name: 't7', namespace: 'default' });
  assert.deepEqual([after.data, after.metadata.uid], [7, before.metadata.uid]);
  assert.deepEqual(after.metadata.managedFields?.length, before.metadata.managedFields?.length);
  const { status } = await definition(client);
  assert.deepEqual(status?.storedVersions, ['v2']);
  const told = conditionOf({ status }, 'StorageMigrating');
  assert.deepEqual([told.status, told.reason], ['False', 'MigrationSucceeded']);
});

test('migrations of one resource run one after the other, and their spec stays', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  for (const name of ['b', 'a'])
    await client.create(storageVersionMigrations, migration(name, { resource: 'secrets' }));
  const [a, b] = [await over(cluster, 'a', 'Succeeded'), await over(cluster, 'b', 'Succeeded')];
  assert.ok(conditionOf(a, 'Running') && conditionOf(b, 'Running'));
  await assert.rejects(
    client.update<StorageVersionMigration>(storageVersionMigrations, {
      ...a,
      spec: { resource: { group: '', resource: 'pods' } },
    }),
    (error) =>
      isStatusError(error, 'Invalid') && /spec: Invalid value: .*field is immutable/.test((error as Error).message),
  );
});

test('what cannot be migrated fails, what is not there yet is waited for', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await client.create(
    storageVersionMigrations,
    migration('reviews', { group: 'authentication.k8s.io', resource: 'tokenreviews' }),
  );
  const refused = await over(cluster, 'reviews', 'Failed');
  assert.match(conditionOf(refused, 'Failed').message, /"tokenreviews\.authentication\.k8s\.io" does not support/);
  await client.create(storageVersionMigrations, migration('early', { group: 'example.com', resource: 'things' }));
  await define(cluster);
  await over(cluster, 'early', 'Succeeded');
  await client.create(storageVersionMigrations, migration('never', { group: 'example.com', resource: 'nothings' }));
  const missing = await over(cluster, 'never', 'Failed');
  assert.match(conditionOf(missing, 'Failed').message, /resource does not exist in discovery/);
});
