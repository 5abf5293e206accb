/** update and patch: read, change, check, write if nothing changed meanwhile. */
import type { Kind } from '../../api/index.ts';
import {
  type AnyObject,
  applyJsonPatch,
  applyMergePatch,
  applyPatch,
  applyStrategicPatch,
  cause,
  cloneJson,
  equalJson,
  formatTime,
  isObject,
  type StatusCause,
  StatusError,
  validateObjectMeta,
} from '../../machinery/index.ts';
import { type CacheEntry, putOf } from '../cache/index.ts';
import { keyFor } from '../resources.ts';
import { type Answer, fieldManagerOf, type Registry, type ResourceCall } from './context.ts';
import { entryAs, fromStored, isDirect, objectAs, toStored } from './convert.ts';
import { checkNamespace, create } from './create.ts';
import { decode, refuse } from './decode.ts';
import { ownFields, resetFieldsOf } from './manage.ts';
import { revisionOf } from './read.ts';
import type { Claim } from './services/index.ts';
import { commit } from './commit.ts';

const modified = 'the object has been modified; please apply your changes to the latest version and try again';
const attempts = 32;

/** What a change makes of the current object; a fresh copy that may be kept. */
export interface Change {
  make(current: AnyObject): AnyObject;
  /** The part that is written: a status writer changes only the status, everybody else all but it; `whole` is the server's own. */
  part?: 'status' | 'all' | 'whole';
  /**
   * A small change of the server's own that keeps a valid object valid: written as it is made, nobody's field, asking nobody. What it does
   * not change may be shared with the current object.
   */
  direct?: boolean;
  /** What admission sees in place of the object, where another kind travels; and what its changes of that mean for the object. */
  seen?: { of(object: AnyObject): AnyObject; take(next: AnyObject, seen: AnyObject): void };
}

export async function update(registry: Registry, call: ResourceCall): Promise<Answer> {
  const { kind } = call.served;
  const object = decode(kind, call.body, call);
  if (kind.namespaced) checkNamespace(call, object);
  const { metadata } = object;
  if (!metadata.name) throw StatusError.badRequest(`the name of the object (metadata.name) must be set`);
  if (metadata.name !== call.name)
    throw StatusError.badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${call.name})`,
    );
  if (
    call.subresource === '' &&
    createsOnUpdate(kind) &&
    isAny(metadata.resourceVersion) &&
    !(await exists(registry, call))
  )
    return createInstead(registry, call);
  if (isAny(metadata.resourceVersion) && isConditional(kind) && (await exists(registry, call)))
    throw StatusError.invalid(kind, call.name, [
      cause.invalid('metadata.resourceVersion', '', 'must be specified for an update'),
    ]);
  // who says what was read has one attempt: the object is used up in it
  const insists = !isAny(metadata.resourceVersion);
  return change(registry, call, { make: () => (insists ? object : cloneJson(object)) });
}

/** Whether a writer does not say which revision it saw. */
function isAny(resourceVersion: string | undefined): boolean {
  return !resourceVersion || resourceVersion === '0';
}

function createsOnUpdate(kind: Kind): boolean {
  return creatable.has(`${kind.group}/${kind.resource}`);
}

const rbac = 'rbac.authorization.k8s.io';
/** An update makes these, if they are not there. */
const creatable = new Set([
  '/endpoints',
  '/events',
  'events.k8s.io/events',
  '/limitranges',
  '/services',
  'coordination.k8s.io/leases',
  'coordination.k8s.io/leasecandidates',
  'node.k8s.io/runtimeclasses',
  ...['clusterrolebindings', 'clusterroles', 'rolebindings', 'roles'].map((resource) => `${rbac}/${resource}`),
]);

/** These are never updated without saying which revision was read. */
const conditional = new Set([
  ...[
    'mutatingadmissionpolicies',
    'mutatingadmissionpolicybindings',
    'mutatingwebhookconfigurations',
    'validatingadmissionpolicies',
    'validatingadmissionpolicybindings',
    'validatingwebhookconfigurations',
  ].map((resource) => `admissionregistration.k8s.io/${resource}`),
  'apiextensions.k8s.io/customresourcedefinitions',
  'certificates.k8s.io/clustertrustbundles',
  'certificates.k8s.io/podcertificaterequests',
  'coordination.k8s.io/leases',
  'coordination.k8s.io/leasecandidates',
  'internal.apiserver.k8s.io/storageversions',
  'node.k8s.io/runtimeclasses',
  'policy/poddisruptionbudgets',
  ...['csidrivers', 'csinodes', 'csistoragecapacities', 'volumeattachments'].map(
    (resource) => `storage.k8s.io/${resource}`,
  ),
  'storagemigration.k8s.io/storageversionmigrations',
]);

function isConditional(kind: Kind): boolean {
  return kind.custom !== undefined || conditional.has(`${kind.group}/${kind.resource}`);
}

/** Who may only update may not create by it. */
async function createInstead(registry: Registry, call: ResourceCall): Promise<Answer> {
  const { kind } = call.served;
  const { group, resource } = kind;
  const { user, namespace, name } = call;
  const asked = { user, verb: 'create', isResource: true, group, resource, subresource: '', namespace, name, path: '' };
  if (!(await registry.authorize(asked)).allowed)
    throw StatusError.forbidden(kind, name, 'it does not exist, and you may not create it');
  return create(registry, { ...call, verb: 'create' });
}

async function exists(registry: Registry, call: ResourceCall): Promise<boolean> {
  const cache = await registry.resources.cache(call.served);
  return cache.entries.get(keyFor(call.served, call.namespace, call.name)) !== undefined;
}

export async function patch(registry: Registry, call: ResourceCall): Promise<Answer> {
  if (call.patchType === 'apply') return apply(registry, call);
  return change(registry, call, { make: (current) => requested(call, current) });
}

/** The object as an update or a patch (but for apply) wants it. */
export function requested(call: ResourceCall, current: AnyObject): AnyObject {
  const { kind } = call.served;
  return decode(kind, call.verb === 'patch' ? patched(call, current) : cloneJson(call.body), call);
}

function patched(call: ResourceCall, current: AnyObject): unknown {
  const { body } = call;
  switch (call.patchType) {
    case 'json':
      return cloneJson(applyJsonPatch(current, body));
    case 'merge':
      return cloneJson(applyMergePatch(current, body));
    default:
      if (!isObject(body)) throw StatusError.badRequest('a strategic merge patch must be an object');
      return cloneJson(applyStrategicPatch(current, body, call.served.kind.schema));
  }
}

async function apply(registry: Registry, call: ResourceCall): Promise<Answer> {
  const { served } = call;
  const { kind } = served;
  if (!call.options.fieldManager)
    throw StatusError.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      cause.required('fieldManager', 'is required for apply patch'),
    ]);
  const applied = configurationOf(kind, call);
  if (applied.metadata.managedFields?.length) throw StatusError.badRequest('metadata.managedFields must be nil');
  if (applied.metadata.name !== undefined && applied.metadata.name !== call.name)
    throw StatusError.badRequest(
      `the name of the object (${applied.metadata.name}) does not match the name on the URL (${call.name})`,
    );
  applied.metadata.name = call.name;
  const merged = (live: AnyObject | undefined): AnyObject => {
    const result = applyPatch({
      live,
      applied,
      manager: fieldManagerOf(call),
      force: call.options.force === true,
      apiVersion: served.apiVersion,
      subresource: call.subresource,
      time: formatTime(registry.clock.now()),
      schema: kind.schema,
      resetFields: resetFieldsOf(kind, call.subresource),
    });
    return decode(kind, cloneJson(result), quiet);
  };
  for (;;) {
    if (!(await exists(registry, call)) && call.subresource === '') {
      if (applied.metadata.uid)
        throw StatusError.conflict(
          kind,
          call.name,
          'uid mismatch: the provided object specified uid, and no existing object was found',
        );
      try {
        return await createInstead(registry, { ...call, body: merged(undefined), duplicates: undefined });
      } catch (error) {
        if (error instanceof StatusError && error.reason === 'AlreadyExists') continue;
        throw error;
      }
    }
    return change(registry, call, { make: merged });
  }
}

const quiet = { options: { fieldValidation: 'Ignore' as const }, warn: () => {} };

/** What an applier sent, checked and in canonical form, without anything that it did not say: only that becomes its own. */
function configurationOf(kind: Kind, call: ResourceCall): AnyObject {
  const checked = decode(kind, cloneJson(call.body), { ...call, leavesUnknown: true });
  const said = saidOf(call.body, checked) as AnyObject;
  return { ...said, apiVersion: checked.apiVersion, kind: checked.kind, metadata: { ...said.metadata } };
}

/** Of `checked`, the fields that `sent` names. */
function saidOf(sent: unknown, checked: unknown): unknown {
  if (Array.isArray(sent) && Array.isArray(checked) && sent.length === checked.length)
    return checked.map((item, i) => saidOf(sent[i], item));
  if (!isObject(sent) || !isObject(checked)) return checked;
  const said: Record<string, unknown> = {};
  for (const name in sent)
    if (checked[name] !== undefined) said[name] = saidOf(sent[name], checked[name]);
    // what no schema knows is left for apply to refuse
    else if (sent[name] !== null && sent[name] !== undefined) said[name] = sent[name];
  return said;
}

/** Applies a change to the stored object until it is written, refused, or changes nothing. */
export async function change(registry: Registry, call: ResourceCall, wanted: Change): Promise<Answer> {
  const { served } = call;
  const key = keyFor(served, call.namespace, call.name);
  const cache = await registry.resources.cache(served);
  for (let attempt = 1; ; attempt++) {
    const entry = cache.entries.get(key);
    if (entry === undefined) throw StatusError.notFound(served.kind, call.name);
    const seen = await entryAs(served, entry);
    const current = fromStored(served, seen.object);
    const next = wanted.make(current);
    const unconditional =
      isAny(next.metadata.resourceVersion) || next.metadata.resourceVersion === current.metadata.resourceVersion;
    if (!unconditional) {
      revisionOf(next.metadata.resourceVersion!);
      throw StatusError.conflict(served.kind, call.name, modified);
    }
    const answer = wanted.direct
      ? await writeDirect(registry, call, key, entry, next)
      : await writeOnce(registry, call, wanted, key, { entry, seen, current }, next);
    if (answer !== undefined) return answer;
    const insists =
      call.verb === 'update' && isObject(call.body) && !isAny((call.body as AnyObject).metadata?.resourceVersion);
    if (insists || attempt === attempts) throw StatusError.conflict(served.kind, call.name, modified);
  }
}

/** What is there now: as it is stored, and in the version asked for. */
interface Current {
  entry: CacheEntry;
  seen: CacheEntry;
  current: AnyObject;
}

/** Undefined: somebody else wrote first. */
async function writeOnce(
  registry: Registry,
  call: ResourceCall,
  wanted: Change,
  key: string,
  { entry, seen, current }: Current,
  next: AnyObject,
): Promise<Answer | undefined> {
  const { served } = call;
  const { kind } = served;
  keepSystemFields(current, next);
  const part = wanted.part ?? (call.subresource === 'status' ? 'status' : 'all');
  if (part !== 'whole' && kind.subresources.status !== undefined) keepOtherPart(kind, current, next, part);
  kind.default?.(next);
  const through = part === 'whole' ? undefined : call.subresource;
  if (part !== 'status') kind.prepare?.(next, current, through);
  ownFields(registry, call, next, current);
  const { seen: view } = wanted;
  const asked = {
    registry,
    call,
    operation: 'UPDATE' as const,
    object: view?.of(next) ?? next,
    old: view?.of(current) ?? current,
  };
  const { metadata, spec, status } = next;
  await registry.admission.admit(asked);
  view?.take(next, asked.object);
  // not even admission writes more than the writer may
  if (next.metadata !== metadata) keepSystemFields(current, next);
  if (
    part !== 'whole' &&
    kind.subresources.status !== undefined &&
    (part === 'all' ? next.status !== status : next.spec !== spec)
  )
    keepOtherPart(kind, current, next, part);
  if (part !== 'status') countGeneration(kind, current, next);
  if (kind.custom !== undefined) kind.default?.(next);
  const stale = served.view?.stale(entry) === true || registry.store.stale?.(entry.key) === true;
  if (!stale && equalExceptTimes(current, next)) {
    if (call.options.dryRun || !isDirect(served)) return { code: 200, object: current };
    return { code: 200, entry: seen };
  }
  refuse(kind, call.name, [
    ...validateObjectMeta(next.metadata, { namespaced: kind.namespaced, nameRule: kind.nameRule }),
    ...immutableMeta(current, next),
    ...(kind.validate?.(next, current, through) ?? []),
  ]);
  await registry.admission.validate({ ...asked, object: view?.of(next) ?? next });
  const claim = registry.services.claim(kind, next, current);
  try {
    if (call.options.dryRun) {
      claim.release();
      return { code: 200, object: next };
    }
    const answer = isFinished(kind, next)
      ? await remove(registry, kind, key, entry, next)
      : await put(registry, call, key, entry, next, claim);
    if (answer === undefined) claim.release();
    return answer;
  } catch (error) {
    claim.release();
    throw error;
  }
}

async function writeDirect(
  registry: Registry,
  call: ResourceCall,
  key: string,
  entry: CacheEntry,
  next: AnyObject,
): Promise<Answer | undefined> {
  if (call.options.dryRun) return { code: 200, object: next };
  return put(registry, call, key, entry, next, registry.services.claim(call.served.kind, next, entry.object));
}

async function put(
  registry: Registry,
  call: ResourceCall,
  key: string,
  entry: CacheEntry,
  next: AnyObject,
  claim: Claim,
): Promise<Answer | undefined> {
  const { served } = call;
  const kept = await toStored(served, next);
  const result = await commit(registry, call, {
    compare: [{ key, modRevision: entry.revision }, ...claim.compare],
    writes: [putOf(key, kept, entry), ...claim.writes],
  });
  if (!result.ok) {
    claim.lost(result.entries.slice(1).map((entry) => entry !== undefined));
    return undefined;
  }
  const cache = await registry.resources.cache(served);
  const written = cache.entries.get(key);
  if (isDirect(served) && written?.revision === result.revision)
    return { code: 200, entry: await entryAs(served, written) };
  kept.metadata.resourceVersion = String(result.revision);
  return { code: 200, object: await objectAs(served, kept) };
}

/** The last finalizer of an object that is being deleted has gone: so does the object. */
async function remove(
  registry: Registry,
  kind: Kind,
  key: string,
  entry: CacheEntry,
  last: AnyObject,
): Promise<Answer | undefined> {
  const { writes } = registry.services.claim(kind, undefined, entry.object);
  const result = await registry.store.txn({
    compare: [{ key, modRevision: entry.revision }],
    writes: [{ key, delete: true }, ...writes],
  });
  if (!result.ok) return undefined;
  return { code: 200, object: last };
}

/** Whether nothing keeps an object that is being deleted any longer. */
export function isFinished(kind: Kind, object: AnyObject): boolean {
  const { metadata } = object;
  if (metadata.deletionTimestamp === undefined || (metadata.finalizers?.length ?? 0) > 0) return false;
  if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  return !(kind.group === '' && kind.kind === 'Namespace' && (object.spec?.finalizers?.length ?? 0) > 0);
}

/** What no writer changes. */
function keepSystemFields(current: AnyObject, next: AnyObject): void {
  const from = current.metadata;
  const to = next.metadata;
  if (to.uid && to.uid !== from.uid)
    throw StatusError.conflict(
      { group: '', resource: String(next.kind).toLowerCase() },
      from.name!,
      `Precondition failed: UID in precondition: ${to.uid}, UID in object meta: ${from.uid}`,
    );
  to.uid = from.uid;
  to.creationTimestamp = from.creationTimestamp;
  to.resourceVersion = from.resourceVersion;
  if (from.generateName !== undefined && to.generateName === undefined) to.generateName = from.generateName;
  restore(to, 'deletionTimestamp', from.deletionTimestamp);
  restore(to, 'deletionGracePeriodSeconds', from.deletionGracePeriodSeconds);
  restore(to, 'generation', from.generation);
}

function restore(
  to: AnyObject['metadata'],
  field: 'deletionTimestamp' | 'deletionGracePeriodSeconds' | 'generation',
  value: any,
): void {
  if (value === undefined) delete to[field];
  else (to as any)[field] = value;
}

function keepOtherPart(kind: Kind, current: AnyObject, next: AnyObject, part: 'status' | 'all'): void {
  if (part === 'all') {
    if (current.status === undefined) delete next.status;
    else next.status = cloneJson(current.status);
    return;
  }
  for (const field of Object.keys(next)) if (field !== 'status' && field !== 'metadata') delete next[field];
  const { status: _, metadata, ...rest } = current;
  const isPod = kind.group === '' && kind.resource === 'pods';
  // the most written of all: defaults write nothing into a spec that has them, so it is shared
  Object.assign(next, isPod ? rest : cloneJson(rest));
  if (keepsMetadata(kind)) {
    const { managedFields, resourceVersion } = next.metadata;
    const { managedFields: _owners, ...kept } = metadata;
    next.metadata = { ...cloneJson(kept), managedFields, resourceVersion };
  } else if (isPod) next.metadata.ownerReferences = cloneJson(metadata.ownerReferences);
}

/** Whether who writes the status leaves labels, annotations and the like as they are; upstream decides it kind by kind. */
function keepsMetadata(kind: Kind): boolean {
  return kind.custom !== undefined || statusAlone.has(`${kind.group}/${kind.resource}`);
}

const statusAlone = new Set([
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'apiextensions.k8s.io/customresourcedefinitions',
  'certificates.k8s.io/podcertificaterequests',
  'flowcontrol.apiserver.k8s.io/flowschemas',
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations',
  'internal.apiserver.k8s.io/storageversions',
  'networking.k8s.io/servicecidrs',
  ...['devicetaintrules', 'resourceclaims', 'resourcepoolstatusrequests'].map(
    (resource) => `resource.k8s.io/${resource}`,
  ),
  'scheduling.k8s.io/podgroups',
  'storage.k8s.io/volumeattachments',
  'storagemigration.k8s.io/storageversionmigrations',
]);

function countGeneration(kind: Kind, current: AnyObject, next: AnyObject): void {
  if (!kind.countsGenerations) return;
  // the status of a custom resource without a status subresource is a field like others
  const all = kind.custom !== undefined && kind.subresources.status === undefined;
  const contentOf = ({ metadata: _metadata, status, ...rest }: AnyObject) => (all ? { ...rest, status } : rest);
  if (!equalJson(contentOf(current), contentOf(next)))
    next.metadata.generation = (current.metadata.generation ?? 0) + 1;
}

/** Whether only the times of managed fields differ: then nothing is written. */
function equalExceptTimes(current: AnyObject, next: AnyObject): boolean {
  const strip = (object: AnyObject) => {
    const { managedFields, resourceVersion: _, ...metadata } = object.metadata;
    return {
      ...object,
      metadata: { ...metadata, managedFields: managedFields?.map(({ time: _t, ...entry }) => entry) },
    };
  };
  return equalJson(strip(current), strip(next));
}

function immutableMeta(current: AnyObject, next: AnyObject): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const field of ['name', 'namespace', 'uid'] as const)
    if (current.metadata[field] !== next.metadata[field])
      causes.push(cause.invalid(`metadata.${field}`, next.metadata[field], 'field is immutable'));
  if (current.metadata.deletionTimestamp !== undefined) {
    const known = new Set(current.metadata.finalizers);
    const added = (next.metadata.finalizers ?? []).filter((finalizer) => !known.has(finalizer));
    if (added.length > 0)
      causes.push(
        cause.forbidden(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
        ),
      );
  }
  return causes;
}
