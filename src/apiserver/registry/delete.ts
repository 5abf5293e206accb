/** delete and deletecollection: preconditions, grace, finalizers, propagation. */
import type { Kind } from '../../api/index.ts';
import { type AnyObject, cloneJson, formatTime, type Status, StatusError } from '../../machinery/index.ts';
import { type CacheEntry, putOf } from '../cache/index.ts';
import type { RequestOptions } from '../request.ts';
import { keyFor } from '../resources.ts';
import type { Answer, Registry, ResourceCall } from './context.ts';
import { entryAs, fromStored, objectAs } from './convert.ts';
import { list } from './read.ts';
import { isFinished } from './update.ts';
import { commit } from './commit.ts';

const orphanFinalizer = 'orphan';
const foregroundFinalizer = 'foregroundDeletion';

export async function remove(registry: Registry, call: ResourceCall): Promise<Answer> {
  const { served } = call;
  checkOptions(call.options);
  const key = keyFor(served, call.namespace, call.name);
  const cache = await registry.resources.cache(served);
  for (;;) {
    const entry = cache.entries.get(key);
    if (entry === undefined) throw StatusError.notFound(served.kind, call.name);
    const current = fromStored(served, (await entryAs(served, entry)).object);
    checkPreconditions(call, current);
    const request = { registry, call, operation: 'DELETE' as const, object: undefined, old: current };
    await registry.admission.admit(request);
    await registry.admission.validate(request);
    const answer = await removeOnce(registry, call, key, entry);
    if (answer !== undefined) return answer;
  }
}

async function removeOnce(
  registry: Registry,
  call: ResourceCall,
  key: string,
  entry: CacheEntry,
): Promise<Answer | undefined> {
  const { served, options } = call;
  const { kind } = served;
  const next = cloneJson(entry.object);
  const finalizersChanged = setPropagation(kind, next, options);
  const graceChanged = setDeletion(registry, kind, next, options);
  const goesAway = isFinished(kind, next);
  if (!goesAway && !finalizersChanged && !graceChanged)
    return { code: 200, object: await objectAs(served, entry.object) };
  if (options.dryRun) return goesAway ? gone(kind, next) : { code: 200, object: await objectAs(served, next) };
  const result = await commit(registry, call, {
    compare: [{ key, modRevision: entry.revision }],
    writes: goesAway
      ? [{ key, delete: true }, ...registry.services.claim(kind, undefined, entry.object).writes]
      : [putOf(key, next, entry)],
  });
  if (!result.ok) return undefined;
  if (goesAway) return gone(kind, next);
  const code = options.propagationPolicy === 'Foreground' || options.propagationPolicy === 'Orphan' ? 202 : 200;
  return { code, object: await objectAs(served, next) };
}

/** Whether a deletion is answered with what was deleted; upstream decides it kind by kind. */
export function answersItself({ group, resource }: Kind): boolean {
  return answeredWithThemselves.has(`${group}/${resource}`);
}

const answeredWithThemselves = new Set([
  ...[
    'namespaces',
    'persistentvolumeclaims',
    'persistentvolumes',
    'pods',
    'podtemplates',
    'resourcequotas',
    'serviceaccounts',
    'services',
  ].map((resource) => `/${resource}`),
  ...[
    'deviceclasses',
    'devicetaintrules',
    'resourceclaims',
    'resourceclaimtemplates',
    'resourcepoolstatusrequests',
    'resourceslices',
  ].map((resource) => `resource.k8s.io/${resource}`),
  ...['csidrivers', 'csinodes', 'storageclasses', 'volumeattachments', 'volumeattributesclasses'].map(
    (resource) => `storage.k8s.io/${resource}`,
  ),
]);

function gone(kind: Kind, object: AnyObject): Answer {
  const status: Status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: object.metadata.name,
      ...(kind.group !== '' && { group: kind.group }),
      kind: kind.resource,
      uid: object.metadata.uid,
    },
  };
  return { code: 200, object: answersItself(kind) ? object : (status as unknown as AnyObject) };
}

/** Marks for deletion; false when that is already so and no sooner end was asked for. */
function setDeletion(registry: Registry, kind: Kind, object: AnyObject, options: RequestOptions): boolean {
  const { metadata } = object;
  const grace = graceOf(kind, object, options);
  if (metadata.deletionTimestamp !== undefined) {
    if (grace >= (metadata.deletionGracePeriodSeconds ?? 0)) return false;
    const asked = Date.parse(metadata.deletionTimestamp) - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
    metadata.deletionTimestamp = formatTime(Math.max(asked + grace * 1000, registry.clock.now()));
    metadata.deletionGracePeriodSeconds = grace;
    return true;
  }
  metadata.deletionTimestamp = formatTime(registry.clock.now() + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if (kind.countsGenerations || metadata.generation !== undefined) metadata.generation = (metadata.generation ?? 0) + 1;
  kind.prepareDelete?.(object);
  if (kind.kind === 'Namespace' && kind.group === '') object.status = { ...object.status, phase: 'Terminating' };
  return true;
}

/** Seconds. Only pods take time to end: as long as asked, else as their spec says; at once if nothing runs. */
function graceOf(kind: Kind, object: AnyObject, options: RequestOptions): number {
  if (kind.kind !== 'Pod' || kind.group !== '') return 0;
  const phase = object.status?.phase;
  if (!object.spec?.nodeName || phase === 'Succeeded' || phase === 'Failed') return 0;
  const asked = options.gracePeriodSeconds ?? object.spec.terminationGracePeriodSeconds ?? 30;
  return asked < 0 ? 1 : asked;
}

function setPropagation(kind: Kind, object: AnyObject, options: RequestOptions): boolean {
  const policy = policyOf(kind, object, options);
  const before = object.metadata.finalizers ?? [];
  const after = before.filter((finalizer) => finalizer !== orphanFinalizer && finalizer !== foregroundFinalizer);
  if (policy === 'Orphan') after.push(orphanFinalizer);
  if (policy === 'Foreground') after.push(foregroundFinalizer);
  if (after.length === before.length && after.every((finalizer) => before.includes(finalizer))) return false;
  if (after.length === 0) delete object.metadata.finalizers;
  else object.metadata.finalizers = after;
  return true;
}

function policyOf(kind: Kind, object: AnyObject, options: RequestOptions): string {
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'Orphan' : 'Background';
  if (options.propagationPolicy) return options.propagationPolicy;
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(orphanFinalizer)) return 'Orphan';
  if (finalizers.includes(foregroundFinalizer)) return 'Foreground';
  // the two kinds that are older than garbage collection
  const orphans =
    (kind.group === '' && kind.kind === 'ReplicationController') || (kind.group === 'batch' && kind.kind === 'Job');
  return orphans ? 'Orphan' : 'Background';
}

function checkOptions(options: RequestOptions): void {
  if (options.propagationPolicy !== undefined && options.orphanDependents !== undefined)
    throw StatusError.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      {
        reason: 'FieldValueInvalid',
        field: 'propagationPolicy',
        message: `Invalid value: ${JSON.stringify(options.propagationPolicy)}: orphanDependents and deletionPropagation cannot be both set`,
      },
    ]);
  const policy = options.propagationPolicy;
  if (policy !== undefined && !['Orphan', 'Background', 'Foreground'].includes(policy))
    throw StatusError.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      {
        reason: 'FieldValueNotSupported',
        field: 'propagationPolicy',
        message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan"`,
      },
    ]);
}

function checkPreconditions(call: ResourceCall, current: AnyObject): void {
  const wanted = call.options.preconditions;
  const { metadata } = current;
  if (wanted?.uid !== undefined && wanted.uid !== metadata.uid)
    throw StatusError.conflict(
      call.served.kind,
      call.name,
      `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${metadata.uid}`,
    );
  if (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== metadata.resourceVersion)
    throw StatusError.conflict(
      call.served.kind,
      call.name,
      `Precondition failed: ResourceVersion in precondition: ${wanted.resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
}

/** Deletes what a list with the same options would return, and answers with that list. */
export async function removeCollection(registry: Registry, call: ResourceCall): Promise<AnyObject[]> {
  const { limit: _, continue: __, ...options } = call.options;
  const { entries } = await list(registry, { ...call, options });
  const removed: AnyObject[] = [];
  for (let i = 0; i < entries.length; i += atOnce) {
    const results = await Promise.all(
      entries.slice(i, i + atOnce).map((entry) => removeIfThere(registry, { ...call, options }, entry)),
    );
    for (const object of results) if (object !== undefined) removed.push(object);
  }
  return removed;
}

/** So many share a flush of the store. */
const atOnce = 100;

async function removeIfThere(
  registry: Registry,
  call: ResourceCall,
  entry: CacheEntry,
): Promise<AnyObject | undefined> {
  const { name, namespace } = entry.object.metadata;
  try {
    const { object } = await remove(registry, { ...call, name: name!, namespace: namespace ?? '' });
    return object!.kind === 'Status' ? fromStored(call.served, entry.object) : (object as AnyObject);
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}
