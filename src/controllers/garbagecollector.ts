/**
 * What its owners leave behind goes: an object all of whose owners are gone is deleted; an owner that is deleted in the foreground waits
 * for what blocks it; one that is deleted as an orphan's parent lets its dependents go first. One controller for all kinds: its keys name
 * the kind, too. Owners are looked up among what is known of every kind, and asked for before anything is done.
 */
import { type CustomResourceDefinition, customResourceDefinitions, kindOfGvk } from '../api/index.ts';
import type { Controller, DeleteOptions, ReconcileContext, Watched } from '../client/index.ts';
import {
  type AnyObject,
  equalJson,
  isStatusError,
  type KubeObject,
  type OwnerReference,
  parseApiVersion,
  type Resource,
} from '../machinery/index.ts';
import { resourceOfDefinition, resourcesWith } from './resources.ts';

const foreground = 'foregroundDeletion';
const orphan = 'orphan';
/** Written too often to be anybody's dependents, and never are. */
const ignored = new Set(['/events', 'events.k8s.io/events']);

const collected: readonly Resource[] = resourcesWith('list', 'watch', 'delete').filter(
  ({ group, resource }) => !ignored.has(`${group}/${resource}`),
);
function idOf({ group, version, resource }: Resource): string {
  return `${group}|${version}|${resource}`;
}

function keyOf(resource: Resource, { metadata }: KubeObject): string {
  return `${idOf(resource)}|${metadata.namespace ?? ''}|${metadata.name}`;
}

/** The resources that are collected: those built in, and those that definitions define at present. */
class Collected {
  readonly #byId = new Map(collected.map((resource) => [idOf(resource), resource]));
  /** Custom ones, by group and kind. */
  readonly #custom = new Map<string, Resource>();
  readonly #followed = new Map<string, { resource: Resource; stop: () => void }>();

  all(): Iterable<Resource> {
    return this.#byId.values();
  }

  get(id: string): Resource | undefined {
    return this.#byId.get(id);
  }

  ofOwner(owner: OwnerReference): Resource | undefined {
    const { group, version } = parseApiVersion(owner.apiVersion);
    const kind = kindOfGvk({ group, version, kind: owner.kind });
    if (kind === undefined) return this.#custom.get(`${group}/${owner.kind}`);
    return this.#byId.get(idOf(kind)) ?? (kind as Resource);
  }

  /** Follows what a definition defines now; `definition` absent: nothing any more. */
  take(
    name: string,
    definition: CustomResourceDefinition | undefined,
    follow: (resource: Resource) => () => void,
  ): void {
    const resource = definition && resourceOfDefinition(definition);
    const before = this.#followed.get(name);
    if (before !== undefined && resource !== undefined && equalJson(before.resource, resource)) return;
    if (before !== undefined) {
      before.stop();
      this.#followed.delete(name);
      this.#byId.delete(idOf(before.resource));
      this.#custom.delete(`${before.resource.group}/${before.resource.kind}`);
    }
    if (resource === undefined) return;
    this.#byId.set(idOf(resource), resource);
    this.#custom.set(`${resource.group}/${resource.kind}`, resource);
    this.#followed.set(name, { resource, stop: follow(resource) });
  }
}

type Work = ReconcileContext & { collected: Collected };

export function garbageCollector(): Controller {
  const all = new Collected();
  let work: Work | undefined;
  const workOf = (context: ReconcileContext): Work => (work ??= { ...context, collected: all });
  const watched = (resource: Resource): Watched<AnyObject> => ({
    resource,
    when: matters,
    keys: (object, context) => concerned(resource, object, workOf(context)),
  });
  return {
    name: 'garbage-collector',
    account: 'generic-garbage-collector',
    for: collected[0]!,
    // its own keys come from `watches`, like everybody's
    when: () => false,
    watches: collected.map(watched),
    concurrency: 10,
    start(context) {
      const take = (name: string, definition?: CustomResourceDefinition) =>
        all.take(name, definition, (resource) => context.follow(watched(resource)));
      context.informer(customResourceDefinitions).addHandler({
        onAdd: (definition) => take(definition.metadata.name!, definition),
        onUpdate: (_old, definition) => take(definition.metadata.name!, definition),
        onDelete: ({ metadata }) => take(metadata.name!),
      });
    },
    async reconcile(key, context) {
      const [group, version, resource, namespace, name] = key.split('|');
      const found = all.get(`${group}|${version}|${resource}`);
      if (found === undefined) return;
      const object = context.lister<AnyObject>(found).get(namespace === '' ? name! : `${namespace}/${name}`);
      if (object !== undefined) await collect(found, object, workOf(context));
    },
  };
}

function matters(old: AnyObject | undefined, object: AnyObject | undefined): boolean {
  if (object === undefined) return true;
  const going = object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers?.length ?? 0) > 0;
  if (going) return true;
  if (!object.metadata.ownerReferences?.length) return false;
  return old === undefined || !equalJson(old.metadata.ownerReferences, object.metadata.ownerReferences);
}

/** The object itself, what it owned, and whoever waits for it to go. */
function concerned(resource: Resource, object: AnyObject, context: Work): string[] {
  const keys = [keyOf(resource, object)];
  for (const other of context.collected.all())
    for (const dependent of context.lister<AnyObject>(other).ownedBy(object.metadata.uid!))
      keys.push(keyOf(other, dependent));
  for (const owner of object.metadata.ownerReferences ?? []) {
    const known = context.collected.ofOwner(owner);
    if (owner.blockOwnerDeletion && known !== undefined)
      keys.push(
        keyOf(known, {
          metadata: { name: owner.name, namespace: known.namespaced ? object.metadata.namespace : undefined },
        }),
      );
  }
  return keys;
}

async function collect(resource: Resource, object: AnyObject, context: Work): Promise<void> {
  const { metadata } = object;
  if (metadata.deletionTimestamp !== undefined) {
    if (metadata.finalizers?.includes(orphan)) return orphanDependents(resource, object, context);
    if (metadata.finalizers?.includes(foreground)) return endDependents(resource, object, context);
    return;
  }
  const owners = metadata.ownerReferences ?? [];
  if (owners.length === 0) return;
  for (const owner of owners) tellIfNowhere(owner, object, context);
  const states = await Promise.all(owners.map((owner) => stateOf(owner, object, context)));
  const gone = owners.filter((_, i) => states[i] === 'gone');
  const solid = owners.filter((_, i) => states[i] === 'solid');
  const waiting = owners.filter((_, i) => states[i] === 'waiting');
  if (solid.length > 0) {
    if (gone.length + waiting.length > 0) await keepOwners(resource, object, solid, context);
    return;
  }
  if (gone.length === 0 && waiting.length === 0) return;
  const dependents = dependentsOf(object, context);
  if (waiting.length > 0 && dependents.length > 0) {
    // a dependent that waits for its own may be waiting for this one, in a circle: it is to hold nobody up
    const circle = dependents.some((one) => isWaiting(one.object));
    const freed = circle ? await unblockOwners(resource, object, context) : object;
    return remove(resource, freed, 'Foreground', context);
  }
  await remove(resource, object, policyOf(object), context);
}

function isWaiting({ metadata }: AnyObject): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(foreground) === true;
}

/** What was asked of the object itself, when it was made or before, stays asked. */
function policyOf({ metadata }: AnyObject): DeleteOptions['propagationPolicy'] {
  if (metadata.finalizers?.includes(orphan)) return 'Orphan';
  return metadata.finalizers?.includes(foreground) ? 'Foreground' : 'Background';
}

/** `waiting`: it is being deleted and waits for this one. `solid`: it is there, or nobody can tell. */
async function stateOf(owner: OwnerReference, object: AnyObject, context: Work): Promise<'gone' | 'waiting' | 'solid'> {
  const resource = context.collected.ofOwner(owner);
  if (resource === undefined) return 'solid';
  const namespace = resource.namespaced ? object.metadata.namespace : undefined;
  // an owner in a namespace cannot own what has none
  if (resource.namespaced && namespace === undefined) return 'solid';
  const key = namespace ? `${namespace}/${owner.name}` : owner.name;
  const cached =
    context.collected.get(idOf(resource)) !== undefined ? context.lister<AnyObject>(resource).get(key) : undefined;
  const known =
    cached?.metadata.uid === owner.uid ? cached : await live(resource, { name: owner.name, namespace }, context);
  if (known?.metadata.uid !== owner.uid) return 'gone';
  return isWaiting(known) ? 'waiting' : 'solid';
}

/** An owner in a namespace cannot own what has none: such a reference is left alone, and told of. */
function tellIfNowhere({ apiVersion, kind, name, uid }: OwnerReference, object: AnyObject, context: Work): void {
  if (object.metadata.namespace !== undefined) return;
  const resource = context.collected.ofOwner({ apiVersion, kind, name, uid });
  if (resource === undefined || !resource.namespaced) return;
  const identity = `[${apiVersion}/${kind}, namespace: , name: ${name}, uid: ${uid}]`;
  const message = `ownerRef ${identity} does not exist in namespace ""`;
  context.events.event(object, 'Warning', 'OwnerRefInvalidNamespace', message);
}

async function live(
  resource: Resource,
  ref: { name: string; namespace?: string },
  { client }: Work,
): Promise<AnyObject | undefined> {
  try {
    return await client.get<AnyObject>(resource, ref);
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function dependentsOf(object: AnyObject, context: Work): { resource: Resource; object: AnyObject }[] {
  return [...context.collected.all()].flatMap((resource) =>
    context
      .lister<AnyObject>(resource)
      .ownedBy(object.metadata.uid!)
      .map((dependent) => ({ resource, object: dependent })),
  );
}

async function endDependents(resource: Resource, owner: AnyObject, context: Work): Promise<void> {
  const dependents = dependentsOf(owner, context);
  const blocking = dependents.filter(({ object }) =>
    object.metadata.ownerReferences?.some((one) => one.uid === owner.metadata.uid && one.blockOwnerDeletion === true),
  );
  if (blocking.length === 0) return dropFinalizer(resource, owner, foreground, context);
  for (const dependent of dependents)
    if (dependent.object.metadata.deletionTimestamp === undefined)
      await collect(dependent.resource, dependent.object, context);
}

async function orphanDependents(resource: Resource, owner: AnyObject, context: Work): Promise<void> {
  for (const dependent of dependentsOf(owner, context)) {
    const others = (dependent.object.metadata.ownerReferences ?? []).filter((one) => one.uid !== owner.metadata.uid);
    await keepOwners(dependent.resource, dependent.object, others, context);
  }
  await dropFinalizer(resource, owner, orphan, context);
}

async function keepOwners(
  resource: Resource,
  object: AnyObject,
  owners: OwnerReference[],
  { client }: Work,
): Promise<void> {
  const body = {
    metadata: {
      uid: object.metadata.uid,
      resourceVersion: object.metadata.resourceVersion,
      ownerReferences: owners.length > 0 ? owners : null,
    },
  };
  await client.patch(resource, refOf(object), { type: 'merge', body }).catch(ignoreGone);
}

/** Resolves with the object as it is then. */
async function unblockOwners(resource: Resource, object: AnyObject, { client }: Work): Promise<AnyObject> {
  const { uid, resourceVersion, ownerReferences = [] } = object.metadata;
  if (!ownerReferences.some((one) => one.blockOwnerDeletion)) return object;
  const owners = ownerReferences.map((one) => ({ ...one, blockOwnerDeletion: false }));
  const body = { metadata: { uid, resourceVersion, ownerReferences: owners } };
  return client.patch<AnyObject>(resource, refOf(object), { type: 'merge', body });
}

async function dropFinalizer(
  resource: Resource,
  object: AnyObject,
  finalizer: string,
  { client }: Work,
): Promise<void> {
  const finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
  const body = {
    metadata: {
      uid: object.metadata.uid,
      resourceVersion: object.metadata.resourceVersion,
      finalizers: finalizers.length > 0 ? finalizers : null,
    },
  };
  await client.patch(resource, refOf(object), { type: 'merge', body }).catch(ignoreGone);
}

async function remove(
  resource: Resource,
  object: AnyObject,
  propagationPolicy: DeleteOptions['propagationPolicy'],
  { client }: Work,
): Promise<void> {
  const { uid, resourceVersion } = object.metadata;
  await client
    .delete(resource, refOf(object), { propagationPolicy, preconditions: { uid, resourceVersion } })
    // when it changed meanwhile, it is looked at again: not every change is news here
    .catch(ignoreGone);
}

function refOf({ metadata }: AnyObject): { name: string; namespace?: string } {
  return { name: metadata.name!, namespace: metadata.namespace };
}

function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}
