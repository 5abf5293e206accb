/** create. */
import { type AnyObject, formatTime, StatusError, validateObjectMeta } from '../../machinery/index.ts';
import { putOf } from '../cache/index.ts';
import { keyFor } from '../resources.ts';
import type { Answer, Registry, ResourceCall } from './context.ts';
import { entryAs, isDirect, objectAs, toStored } from './convert.ts';
import { decode, refuse } from './decode.ts';
import { ownFields } from './manage.ts';
import type { Claim } from './services/index.ts';
import { commit } from './commit.ts';

const generateAttempts = 8;

export async function create(registry: Registry, call: ResourceCall): Promise<Answer> {
  const { kind, closed } = call.served;
  if (closed !== undefined)
    throw new StatusError('MethodNotAllowed', closed, { group: kind.group, kind: kind.resource });
  const object = decode(kind, call.body, call);
  const { metadata } = object;
  checkNamespace(call, object);
  if (call.name !== '' && metadata.name === undefined) metadata.name = call.name;
  if (metadata.resourceVersion)
    throw StatusError.badRequest('resourceVersion should not be set on objects to be created');
  const generated = !metadata.name && !!metadata.generateName;
  for (let attempt = 1; ; attempt++) {
    if (generated) metadata.name = generateName(metadata.generateName!, registry);
    try {
      return await createOnce(registry, call, object);
    } catch (error) {
      const taken =
        error instanceof StatusError && error.reason === 'AlreadyExists' && error.details?.name === metadata.name;
      if (!generated || !taken || attempt === generateAttempts) throw error;
    }
  }
}

async function createOnce(registry: Registry, call: ResourceCall, object: AnyObject): Promise<Answer> {
  const { served } = call;
  const { kind } = served;
  const { metadata } = object;
  begin(registry, object);
  if (kind.subresources.status !== undefined && !keepsStatusOnCreate(kind.resource)) delete object.status;
  kind.default?.(object);
  kind.prepare?.(object, undefined, '');
  if (kind.countsGenerations) metadata.generation = 1;
  // what admission adds is nobody's
  ownFields(registry, call, object, undefined);
  await registry.admission.admit({ registry, call, operation: 'CREATE', object, old: undefined });
  kind.default?.(object);
  kind.prepare?.(object, undefined, '');

  const name = metadata.name ?? '';
  refuse(kind, name, [
    ...validateObjectMeta(metadata, { namespaced: kind.namespaced, nameRule: kind.nameRule }),
    ...(kind.validate?.(object, undefined, '') ?? []),
  ]);
  await registry.admission.validate({ registry, call, operation: 'CREATE', object, old: undefined });

  if (call.options.dryRun) {
    await refuseExisting(registry, call, name);
    registry.services.claim(kind, object, undefined).release();
    return { code: 201, object };
  }
  let claim = registry.services.claim(kind, object, undefined);
  try {
    for (;;) {
      const answer = await write(registry, call, object, claim);
      if (answer !== undefined) return answer;
      claim = claim.another();
    }
  } catch (error) {
    claim.release();
    throw error;
  }
}

/** Undefined: what was claimed has gone to somebody else. */
async function write(
  registry: Registry,
  call: ResourceCall,
  object: AnyObject,
  claim: Claim,
): Promise<Answer | undefined> {
  const { served } = call;
  const { metadata } = object;
  const name = metadata.name ?? '';
  const kept = await toStored(served, object);
  const key = keyFor(served, metadata.namespace ?? '', name);
  const cache = await registry.resources.cache(served);
  const result = await commit(registry, call, {
    compare: [{ key, modRevision: 0 }, ...claim.compare],
    writes: [putOf(key, kept), ...claim.writes],
  });
  if (!result.ok && result.entries[0] === undefined) {
    claim.lost(result.entries.slice(1).map((entry) => entry !== undefined));
    return undefined;
  }
  if (!result.ok) throw existsError(call, cache.entries.get(key)?.object, name);
  const entry = cache.entries.get(key);
  if (isDirect(served) && entry?.revision === result.revision)
    return { code: 201, entry: await entryAs(served, entry) };
  kept.metadata.resourceVersion = String(result.revision);
  return { code: 201, object: await objectAs(served, kept) };
}

/** Sets what only the server says. */
function begin(registry: Registry, object: AnyObject): void {
  const { metadata } = object;
  metadata.uid = registry.random.uuid();
  metadata.creationTimestamp = formatTime(registry.clock.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.generation;
}

/** A few kinds arrive with the status their writer observed. */
function keepsStatusOnCreate(resource: string): boolean {
  return resource === 'nodes';
}

export function checkNamespace(call: ResourceCall, object: AnyObject): void {
  const { kind } = call.served;
  const { metadata } = object;
  if (!kind.namespaced) {
    if (metadata.namespace) throw StatusError.badRequest(`namespace may not be set on a ${kind.kind}: it has none`);
    delete metadata.namespace;
    return;
  }
  if (call.namespace === '') throw new StatusError('BadRequest', 'an empty namespace may not be set during creation');
  if (metadata.namespace === undefined || metadata.namespace === '') metadata.namespace = call.namespace;
  if (metadata.namespace !== call.namespace)
    throw StatusError.badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
}

/** At most 63 characters in all, as generated names go into labels. */
function generateName(base: string, registry: Registry): string {
  return base.slice(0, 58) + registry.random.suffix(5);
}

async function refuseExisting(registry: Registry, call: ResourceCall, name: string): Promise<void> {
  const cache = await registry.resources.cache(call.served);
  const existing = cache.entries.get(keyFor(call.served, call.namespace, name));
  if (existing !== undefined) throw existsError(call, existing.object, name);
}

function existsError(call: ResourceCall, existing: AnyObject | undefined, name: string): StatusError {
  const { kind } = call.served;
  if (existing?.metadata.deletionTimestamp !== undefined && kind.resource === 'namespaces')
    return StatusError.conflict(kind, name, `object is being deleted: ${kind.resource} "${name}" already exists`);
  if (existing?.metadata.deletionTimestamp !== undefined)
    return new StatusError(
      'AlreadyExists',
      `object is being deleted: ${StatusError.alreadyExists(kind, name).message}`,
      {
        name,
        group: kind.group,
        kind: kind.resource,
      },
    );
  return StatusError.alreadyExists(kind, name);
}
