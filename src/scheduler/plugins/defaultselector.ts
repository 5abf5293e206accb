import { replicaSets, replicationControllers, services, type Pod, statefulSets } from '../../api/index.ts';
import {
  compileSelector,
  type KubeObject,
  labelSelectorAsSelector,
  type LabelSelector,
  type Requirement,
  type Selector,
  selectorFromSet,
} from '../../machinery/index.ts';
import type { Handle } from '../handle.ts';

/**
 * Which pods belong together: those of the Services that select the pod and of the controller that made it. Undefined: nobody claims it.
 * Pods are looked at anew when that changes.
 */
export function defaultSelectors(handle: Handle): (pod: Pod) => Selector | undefined {
  const owners: Record<string, (key: string) => Selector | undefined> = {
    ReplicationController: selectorIn(handle, replicationControllers, ({ spec }) => selectorFromSet(spec.selector)),
    ReplicaSet: selectorIn(handle, replicaSets, ({ spec }) => labelSelectorAsSelector(spec.selector as LabelSelector)),
    StatefulSet: selectorIn(handle, statefulSets, ({ spec }) =>
      labelSelectorAsSelector(spec.selector as LabelSelector),
    ),
  };
  const all = handle.watch(services, 'Service');
  const changed = () => void handle.snapshot.epoch++;
  handle.informer(services).addHandler({
    onAdd: changed,
    onUpdate: (old, service) => {
      if (JSON.stringify(old.spec.selector) !== JSON.stringify(service.spec.selector)) changed();
    },
    onDelete: changed,
  });
  return ({ metadata }) => {
    const requirements: Requirement[] = [];
    for (const { spec } of all.list({ namespace: metadata.namespace })) {
      if (Object.keys(spec.selector ?? {}).length === 0) continue;
      const selector = selectorFromSet(spec.selector);
      if (selector.matches(metadata.labels)) requirements.push(...selector.requirements);
    }
    const owner = metadata.ownerReferences?.find((one) => one.controller);
    const known = owner && owners[owner.kind]?.(`${metadata.namespace}/${owner.name}`);
    if (known !== undefined && !known.nothing) requirements.push(...known.requirements);
    return requirements.length === 0 ? undefined : compileSelector(requirements);
  };
}

/** An owner that is not known yet makes whatever was computed without it void once it is. */
function selectorIn<T extends KubeObject>(
  handle: Handle,
  resource: Parameters<Handle['watch']>[0],
  selectorOf: (owner: any) => Selector,
): (key: string) => Selector | undefined {
  const lister = handle.watch(resource);
  const missed = new Set<string>();
  handle.informer(resource).addHandler({
    onAdd: ({ metadata }) => {
      if (missed.delete(`${metadata.namespace}/${metadata.name}`)) handle.snapshot.epoch++;
    },
  });
  return (key) => {
    const owner = lister.get(key) as T | undefined;
    if (owner === undefined) missed.add(key);
    return owner && selectorOf(owner);
  };
}
