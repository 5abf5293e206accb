/** What controllers of pods share: making one of a template, telling how one is, choosing which to end. Pure. */
import type { Pod, PodTemplateSpec } from '../api/index.ts';
import { apiVersionOf, cloneJson, type KubeObject, type OwnerReference, type Resource } from '../machinery/index.ts';

export function controllerRef(resource: Resource<any>, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name!,
    uid: owner.metadata.uid!,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** A pod of a template, to be created; the server gives it its name. */
export function podFor(template: PodTemplateSpec, resource: Resource<any>, owner: KubeObject): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    metadata: {
      generateName: `${owner.metadata.name!.slice(0, 200)}-`,
      namespace: owner.metadata.namespace,
      ...(labels && { labels: { ...labels } }),
      ...(annotations && { annotations: { ...annotations } }),
      ...(finalizers && { finalizers: [...finalizers] }),
      ownerReferences: [controllerRef(resource, owner)],
    },
    spec: cloneJson(template.spec!),
  };
}

export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return pod.metadata.deletionTimestamp === undefined && phase !== 'Succeeded' && phase !== 'Failed';
}

/** On its way out, but still there. */
export function isTerminating(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return pod.metadata.deletionTimestamp !== undefined && phase !== 'Succeeded' && phase !== 'Failed';
}

export function isReady(pod: Pod): boolean {
  const conditions = pod.status?.conditions;
  if (conditions === undefined || conditions === null) return false;
  for (const one of conditions) if (one.type === 'Ready') return one.status === 'True';
  return false;
}

function readySince(pod: Pod): number {
  const ready = pod.status?.conditions?.find((one) => one.type === 'Ready' && one.status === 'True');
  return ready === undefined ? Number.POSITIVE_INFINITY : Date.parse(ready.lastTransitionTime ?? '') || 0;
}

/** Milliseconds until the pod counts as available: 0 when it does, infinite while it is not ready. */
export function availableIn(pod: Pod, minReadySeconds: number, now: number): number {
  if (!isReady(pod)) return Number.POSITIVE_INFINITY;
  return minReadySeconds === 0 ? 0 : Math.max(0, readySince(pod) + minReadySeconds * 1000 - now);
}

const phases: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/** The order in which pods are ended: those that are of least use first (upstream's ActivePodsWithRanks). */
export function endBefore(a: Pod, b: Pod, crowd: (pod: Pod) => number): number {
  const assigned = Number(!!a.spec.nodeName) - Number(!!b.spec.nodeName);
  if (assigned !== 0) return assigned;
  const phase = (phases[a.status?.phase ?? 'Pending'] ?? 0) - (phases[b.status?.phase ?? 'Pending'] ?? 0);
  if (phase !== 0) return phase;
  const ready = Number(isReady(a)) - Number(isReady(b));
  if (ready !== 0) return ready;
  const cost = deletionCost(a) - deletionCost(b);
  if (cost !== 0) return cost;
  const crowded = crowd(b) - crowd(a);
  if (crowded !== 0) return crowded;
  if (isReady(a) && readySince(a) !== readySince(b)) return readySince(b) - readySince(a);
  const restarts = mostRestarts(b) - mostRestarts(a);
  if (restarts !== 0) return restarts;
  return String(b.metadata.creationTimestamp).localeCompare(String(a.metadata.creationTimestamp));
}

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  return Number.isInteger(cost) ? cost : 0;
}

function mostRestarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((one) => one.restartCount ?? 0));
}
