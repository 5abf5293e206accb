/**
 * Rewrites every object of a resource as it is stored today: in another version of its definition, or with another key (KEP-4192). One migration of a
 * resource runs at a time, the oldest first. What is written is an apply that asks for nothing: the API server stores an object anew only where it
 * would store it differently, so that it is safe to repeat at any moment.
 */
import {
  type CustomResourceDefinition,
  customResourceDefinitions,
  type StorageVersionMigration,
  storageVersionMigrations,
} from '../../api/index.ts';
import type { Client, Controller, ReconcileContext, Result } from '../../client/index.ts';
import {
  type AnyObject,
  formatTime,
  isStatusError,
  type KubeList,
  type Resource,
  type StatusReason,
} from '../../machinery/index.ts';
import { resourceOfDefinition, resourcesWith } from '../resources.ts';
import { begin, finish } from './definition.ts';
import { conditionTrue, isOver, withCondition } from './conditions.ts';

const name = 'storage-version-migrator-controller';
/** In nobody's namespace there is nothing to list but the revision. */
const nowhere = 'storage-version-migration-nonexistent-namespace';
/** Milliseconds that a resource which was just defined has to appear. */
const patience = 60_000;
const lookAgain = 10_000;
const pageSize = 500;
/** Writes under way at once: they share flushes of the store. */
const atOnce = 16;

export const storageVersionMigrator: Controller<StorageVersionMigration> = {
  name,
  for: storageVersionMigrations,
  reads: [customResourceDefinitions],
  watches: [
    {
      // who waits for its turn
      resource: storageVersionMigrations,
      keys: (changed: StorageVersionMigration, { lister }) =>
        lister<StorageVersionMigration>(storageVersionMigrations)
          .list()
          .filter((other) => isSame(other, changed) && !isOver(other))
          .map(({ metadata }) => metadata.name!),
    },
  ],
  async reconcile(key, context): Promise<Result | void> {
    const migration = context.lister<StorageVersionMigration>(storageVersionMigrations).get(key);
    if (migration === undefined) return;
    const isRunning = conditionTrue(migration, 'Running');
    if (isOver(migration)) return isRunning ? conclude(migration, context) : undefined;
    if (!isRunning) return isNext(migration, context) ? start(migration, context) : undefined;
    const resource = resourceOf(migration, context);
    if (resource === undefined) return missing(migration, context);
    const verbs = ['update', 'patch', 'list'];
    if (resource === 'unwritable')
      return fail(
        migration,
        context,
        `resource ${shown(migration)} does not support discovery operations: [${verbs.join(' ')}]`,
      );
    const until = migration.status?.resourceVersion;
    if (until === undefined || until === '') return remember(migration, resource, context);
    await migrate(migration, resource, Number(until), context);
  },
};

type Context = ReconcileContext;

function isSame({ spec: a }: StorageVersionMigration, { spec: b }: StorageVersionMigration): boolean {
  return (a.resource.group ?? '') === (b.resource.group ?? '') && a.resource.resource === b.resource.resource;
}

function shown({ spec: { resource } }: StorageVersionMigration): string {
  return JSON.stringify(resource.group ? `${resource.resource}.${resource.group}` : resource.resource);
}

function isNext(migration: StorageVersionMigration, { lister }: Context): boolean {
  const others = lister<StorageVersionMigration>(storageVersionMigrations)
    .list()
    .filter((other) => other.metadata.name !== migration.metadata.name && isSame(other, migration) && !isOver(other));
  return others.every((other) => !conditionTrue(other, 'Running') && isBefore(migration, other));
}

function isBefore({ metadata: a }: StorageVersionMigration, { metadata: b }: StorageVersionMigration): boolean {
  const [since, other] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  return since === other ? a.name! < b.name! : since < other;
}

function definitionOf({ spec: { resource } }: StorageVersionMigration, { lister }: Context) {
  if (!resource.group) return undefined;
  return lister<CustomResourceDefinition>(customResourceDefinitions).get(`${resource.resource}.${resource.group}`);
}

function resourceOf(migration: StorageVersionMigration, context: Context): Resource | 'unwritable' | undefined {
  const { group = '', resource } = migration.spec.resource;
  const is = (one: Resource) => one.group === group && one.resource === resource;
  const writable = resourcesWith('update', 'patch', 'list').find(is);
  if (writable !== undefined) return writable;
  if (resourcesWith('get').some(is) || resourcesWith('list').some(is) || resourcesWith('create').some(is))
    return 'unwritable';
  const definition = definitionOf(migration, context);
  return definition && resourceOfDefinition(definition);
}

async function write(migration: StorageVersionMigration, client: Client): Promise<void> {
  await client.update<StorageVersionMigration>(storageVersionMigrations, migration, { subresource: 'status' });
}

async function start(migration: StorageVersionMigration, context: Context): Promise<void> {
  const { client, clock } = context;
  const definition = definitionOf(migration, context);
  const now = formatTime(clock.now());
  if (definition !== undefined) await begin(client, definition.metadata.name!, migration.metadata.name!, name, now);
  const message = 'The migration is running';
  await write(withCondition(migration, { type: 'Running', reason: 'MigrationRunning', message, now }), client);
}

/** What is stored up to now is to be rewritten; what is written later is right already. */
async function remember(migration: StorageVersionMigration, resource: Resource, { client }: Context): Promise<void> {
  const { metadata } = await client.list(resource, { limit: 1, ...(resource.namespaced && { namespace: nowhere }) });
  const status = { ...migration.status, resourceVersion: metadata.resourceVersion! };
  await write({ ...migration, status }, client);
}

async function missing(migration: StorageVersionMigration, context: Context): Promise<Result | void> {
  const age = context.clock.now() - Date.parse(migration.metadata.creationTimestamp!);
  if (age < patience) return { requeueAfter: lookAgain };
  return fail(migration, context, 'resource does not exist in discovery');
}

async function fail(migration: StorageVersionMigration, { client, clock }: Context, why: string): Promise<void> {
  const message = `migration encountered unhandled error: ${why}`;
  const now = formatTime(clock.now());
  await write(
    withCondition(migration, { type: 'Failed', reason: 'StorageVersionMigrationFailed', message, now }),
    client,
  );
}

async function conclude(migration: StorageVersionMigration, context: Context): Promise<void> {
  const { client, clock } = context;
  const now = formatTime(clock.now());
  const definition = definitionOf(migration, context);
  if (definition !== undefined)
    await finish(client, definition.metadata.name!, conditionTrue(migration, 'Succeeded'), name, now);
  const condition = {
    type: 'Running',
    status: 'False',
    reason: 'MigrationCompleted',
    message: 'Migration completed',
    now,
  };
  await write(withCondition(migration, condition), client);
}

/** Throws what another try may help against: the key then comes again. */
async function migrate(
  migration: StorageVersionMigration,
  resource: Resource,
  until: number,
  context: Context,
): Promise<void> {
  const { client, clock, signal } = context;
  for (let next: string | undefined = ''; next !== undefined; ) {
    const page: KubeList<AnyObject> = await client.list<AnyObject>(resource, {
      limit: pageSize,
      ...(next && { continue: next }),
      signal,
    });
    const old = page.items.filter(({ metadata }) => Number(metadata.resourceVersion) <= until);
    for (let i = 0; i < old.length; i += atOnce) {
      const some = old.slice(i, i + atOnce).map((object) => rewrite(client, resource, object, signal));
      const failed = (await Promise.allSettled(some)).find((one) => one.status === 'rejected');
      if (failed === undefined) continue;
      if (isPassing(failed.reason)) throw failed.reason;
      return fail(migration, context, (failed.reason as Error).message);
    }
    next = page.metadata.continue || undefined;
  }
  const now = formatTime(clock.now());
  await write(
    withCondition(migration, { type: 'Succeeded', reason: 'StorageVersionMigrationSucceeded', message: '', now }),
    client,
  );
}

/** With its uid and its revision: what was changed or removed meanwhile is a conflict, and needs nothing. */
async function rewrite(
  client: Client,
  resource: Resource,
  { metadata }: AnyObject,
  signal: AbortSignal,
): Promise<void> {
  const { name: called, namespace, uid, resourceVersion } = metadata;
  const { group, version, kind } = resource;
  const applied = {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: { name: called, ...(namespace && { namespace }), uid, resourceVersion },
  } as AnyObject;
  try {
    await client.apply(resource as Resource<AnyObject>, applied, { fieldManager: name, signal });
  } catch (error) {
    if (!isStatusError(error, 'Conflict')) throw error;
  }
}

const passing: readonly StatusReason[] = [
  'ServerTimeout',
  'TooManyRequests',
  'ServiceUnavailable',
  'InternalError',
  'Timeout',
  'Expired',
];

function isPassing(error: unknown): boolean {
  return !isStatusError(error) || passing.some((reason) => isStatusError(error, reason));
}
