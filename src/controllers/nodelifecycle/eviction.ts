/** Pods that do not tolerate a taint of their node that ends them, or not for ever. */
import { type Node, nodes, type Pod, pods, type Taint } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { equalJson } from '../../machinery/index.ts';
import { disrupt } from '../disruption.ts';
import { podsOn } from './conditions.ts';

export function taintEviction(): Controller<Node> {
  /** When each taint without a time of its own was first seen here, by node and taint. */
  const seen = new Map<string, number>();
  return {
    name: 'taint-eviction-controller',
    account: 'node-controller',
    for: nodes,
    when: (old, node) => !equalJson(endingTaints(old), endingTaints(node)),
    watches: [
      {
        resource: pods,
        keys: ({ spec }: Pod) => (spec.nodeName ? [spec.nodeName] : []),
        when: (old: Pod | undefined, pod: Pod | undefined) =>
          !!pod?.spec.nodeName && (!old?.spec.nodeName || !equalJson(old.spec.tolerations, pod.spec.tolerations)),
      },
    ],
    async reconcile(name, context) {
      const taints = endingTaints(context.lister(nodes).get(name));
      const now = context.clock.now();
      const present = new Set(taints.map((taint) => `${name} ${taint.key}=${taint.value ?? ''}`));
      for (const id of seen.keys()) if (id.startsWith(`${name} `) && !present.has(id)) seen.delete(id);
      for (const id of present) if (!seen.has(id)) seen.set(id, now);
      const since = (taint: Taint) =>
        Date.parse(taint.timeAdded ?? '') || seen.get(`${name} ${taint.key}=${taint.value ?? ''}`)!;
      const next = taints.length === 0 ? Number.POSITIVE_INFINITY : await evict(name, taints, since, context);
      return Number.isFinite(next) ? { requeueAfter: next } : {};
    },
  };
}

function endingTaints(node: Node | undefined): Taint[] {
  return (node?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
}

/** Deletes the pods whose tolerance is over; returns how many milliseconds until the next one's is. */
async function evict(
  node: string,
  taints: readonly Taint[],
  since: (taint: Taint) => number,
  context: ReconcileContext,
): Promise<number> {
  let next = Number.POSITIVE_INFINITY;
  for (const pod of podsOn(node, context)) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const left = timeLeft(pod, taints, since, context.clock.now());
    if (left > 0) {
      next = Math.min(next, left);
      continue;
    }
    const { namespace, name } = pod.metadata;
    context.events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`);
    await disrupt(
      pod,
      { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' },
      context,
    );
  }
  return next;
}

/** Milliseconds until the pod has to go; infinite when it stays whatever happens. A pod has its whole tolerance, though it came later. */
export function timeLeft(pod: Pod, taints: readonly Taint[], since: (taint: Taint) => number, now: number): number {
  const born = Date.parse(pod.metadata.creationTimestamp ?? '') || 0;
  return Math.min(...taints.map((taint) => Math.max(born, since(taint)) + toleratedFor(pod, taint) - now));
}

function toleratedFor(pod: Pod, taint: Taint): number {
  const tolerating = (pod.spec.tolerations ?? []).filter(
    (one) =>
      (!one.effect || one.effect === taint.effect) &&
      (!one.key || one.key === taint.key) &&
      (one.operator === 'Exists' || (!!one.key && (one.value ?? '') === (taint.value ?? ''))),
  );
  if (tolerating.length === 0) return 0;
  const limits = tolerating.flatMap((one) => (one.tolerationSeconds === undefined ? [] : [one.tolerationSeconds]));
  return limits.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.min(...limits)) * 1000;
}
