/** The size of a workload as autoscaling/v1 Scale, whatever its kind. */
import type { CustomFacts, Kind } from '../../api/index.ts';
import {
  type AnyObject,
  applyJsonPatch,
  applyMergePatch,
  cause,
  cloneJson,
  isObject,
  labelSelectorAsSelector,
  selectorFromSet,
  StatusError,
} from '../../machinery/index.ts';
import { type Answer, change, entryOf, fromStored, type ResourceCall } from '../registry/index.ts';
import type { SubresourceContext } from './context.ts';

export async function getScale({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const entry = await entryOf(registry, call);
  return { code: 200, object: scaleOf(call.served.kind, fromStored(call.served, entry.object)) };
}

export async function updateScale({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  return setScale(registry, call, () => call.body);
}

export async function patchScale({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  return setScale(registry, call, (scale) =>
    call.patchType === 'json' ? applyJsonPatch(scale, call.body) : applyMergePatch(scale, call.body),
  );
}

async function setScale(
  registry: SubresourceContext['registry'],
  call: ResourceCall,
  wanted: (current: AnyObject) => unknown,
): Promise<Answer> {
  const { kind } = call.served;
  const places = kind.custom?.scale ?? builtIn;
  const answer = await change(
    registry,
    // the object's own part is written, not a part named scale
    { ...call, body: undefined },
    {
      seen: {
        of: (object) => scaleOf(kind, object),
        take: (next, scale) => {
          if (get(next, places.spec) !== scale.spec?.replicas) set(next, places.spec, scale.spec?.replicas ?? 0);
        },
      },
      make: (current) => {
        const scale = wanted(scaleOf(kind, current));
        if (!isObject(scale)) throw StatusError.badRequest('the body must be an autoscaling/v1 Scale');
        const replicas = scale.spec?.replicas ?? 0;
        if (!Number.isInteger(replicas)) throw StatusError.badRequest('spec.replicas of a Scale must be an integer');
        if (replicas < 0)
          throw StatusError.invalid({ group: 'autoscaling', kind: 'Scale' }, call.name, [
            cause.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
          ]);
        const next = cloneJson(current);
        set(next, places.spec, replicas);
        next.metadata.resourceVersion = scale.metadata?.resourceVersion ?? current.metadata.resourceVersion;
        return next;
      },
    },
  );
  return { code: 200, object: scaleOf(kind, answer.entry?.object ?? (answer.object as AnyObject)) };
}

/** Where a workload says how many it wants and has, as simple paths; custom resources name theirs. */
const builtIn: NonNullable<CustomFacts['scale']> = { spec: '.spec.replicas', status: '.status.replicas' };

function scaleOf(kind: Kind, object: AnyObject): AnyObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const places = kind.custom?.scale ?? builtIn;
  const replicas = get(object, places.spec);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp },
    spec: { ...(typeof replicas === 'number' && replicas !== 0 && { replicas }) },
    status: { replicas: get(object, places.status) ?? 0, ...selectorOf(kind, object) },
  };
}

function selectorOf(kind: Kind, object: AnyObject): { selector?: unknown } {
  if (kind.custom !== undefined) {
    const { selector: place } = kind.custom.scale ?? builtIn;
    const selector = place && get(object, place);
    return selector ? { selector } : {};
  }
  const selector = object.spec?.selector;
  const compiled =
    object.kind === 'ReplicationController' ? selectorFromSet(selector) : labelSelectorAsSelector(selector ?? null);
  return { selector: compiled.toString() };
}

function get(object: AnyObject, path: string): unknown {
  let at: unknown = object;
  for (const name of path.slice(1).split('.')) at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return at;
}

function set(object: AnyObject, path: string, value: unknown): void {
  const names = path.slice(1).split('.');
  const last = names.pop()!;
  let at: Record<string, any> = object;
  for (const name of names) at = isObject(at[name]) ? at[name] : (at[name] = {});
  at[last] = value;
}
