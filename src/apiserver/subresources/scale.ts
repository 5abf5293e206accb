/** The size of a workload as autoscaling/v1 Scale, whatever its kind. */
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
  return { code: 200, object: scaleOf(fromStored(call.served, entry.object)) };
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
  const answer = await change(
    registry,
    // the object's own part is written, not a part named scale
    { ...call, body: undefined },
    {
      make: (current) => {
        const scale = wanted(scaleOf(current));
        if (!isObject(scale)) throw StatusError.badRequest('the body must be an autoscaling/v1 Scale');
        const replicas = scale.spec?.replicas ?? 0;
        if (!Number.isInteger(replicas)) throw StatusError.badRequest('spec.replicas of a Scale must be an integer');
        if (replicas < 0)
          throw StatusError.invalid({ group: 'autoscaling', kind: 'Scale' }, call.name, [
            cause.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
          ]);
        const next = cloneJson(current);
        next.spec.replicas = replicas;
        next.metadata.resourceVersion = scale.metadata?.resourceVersion ?? current.metadata.resourceVersion;
        return next;
      },
    },
  );
  return { code: 200, object: scaleOf(answer.entry?.object ?? (answer.object as AnyObject)) };
}

function scaleOf(object: AnyObject): AnyObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = object.spec?.selector;
  const compiled =
    object.kind === 'ReplicationController' ? selectorFromSet(selector) : labelSelectorAsSelector(selector ?? null);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { ...(object.spec?.replicas && { replicas: object.spec.replicas }) },
    status: { replicas: object.status?.replicas ?? 0, selector: compiled.toString() },
  };
}
