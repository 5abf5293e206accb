/** What a StatefulSet does next. Pure. */
import type { Pod, StatefulSet } from '../../api/index.ts';
import { revisionHashLabel } from '../history.ts';
import { availableIn } from '../pods.ts';

export type Step = { do: 'create'; ordinal: number } | { do: 'delete'; pod: Pod; why: 'ended' | 'scaled' | 'updated' };

export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const rest = pod.metadata.name!.startsWith(prefix) ? pod.metadata.name!.slice(prefix.length) : '';
  return /^(0|[1-9]\d*)$/.test(rest) ? Number(rest) : undefined;
}

export function ordinalsOf({ spec }: StatefulSet): number[] {
  const start = spec!.ordinals?.start ?? 0;
  return Array.from({ length: spec!.replicas ?? 1 }, (_, i) => start + i);
}

export function isHealthy(set: StatefulSet, pod: Pod, now: number): boolean {
  const available = availableIn(pod, set.spec!.minReadySeconds ?? 0, now) === 0;
  return pod.metadata.deletionTimestamp === undefined && pod.status?.phase === 'Running' && available;
}

/**
 * One step at a time and in order, unless the pods are managed in parallel: lower ordinals come first, higher ones go first, and a new
 * template goes from the highest ordinal down to the partition. `update`: name of the present template's revision.
 */
export function nextSteps(set: StatefulSet, pods: readonly Pod[], update: string, now: number): Step[] {
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]));
  const wanted = ordinalsOf(set);
  const ordered = set.spec!.podManagementPolicy !== 'Parallel';
  const steps: Step[] = [];
  for (const ordinal of wanted) {
    const pod = byOrdinal.get(ordinal);
    const step = stepFor(ordinal, pod);
    if (step !== undefined) steps.push(step);
    if (ordered && (pod === undefined || step !== undefined || !isHealthy(set, pod, now))) return steps;
  }
  const condemned = pods
    .filter((pod) => !wanted.includes(ordinalOf(set, pod) ?? -1))
    .toSorted((a, b) => (ordinalOf(set, b) ?? 0) - (ordinalOf(set, a) ?? 0));
  // the one with the lowest ordinal: it alone may go before it is well
  const firstUnhealthy = condemned.findLast((pod) => !isHealthy(set, pod, now));
  for (const pod of condemned) {
    const going = pod.metadata.deletionTimestamp !== undefined;
    if (ordered && (going || (!isHealthy(set, pod, now) && pod !== firstUnhealthy))) return steps;
    if (!going) steps.push({ do: 'delete', pod, why: 'scaled' });
    if (ordered) return steps;
  }
  if (steps.length > 0 || set.spec!.updateStrategy?.type === 'OnDelete') return steps;
  return updates(
    set,
    wanted.flatMap((ordinal) => byOrdinal.get(ordinal) ?? []),
    update,
    now,
  );
}

function stepFor(ordinal: number, pod: Pod | undefined): Step | undefined {
  if (pod === undefined) return { do: 'create', ordinal };
  const ended = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
  return ended && pod.metadata.deletionTimestamp === undefined ? { do: 'delete', pod, why: 'ended' } : undefined;
}

function updates(set: StatefulSet, pods: readonly Pod[], update: string, now: number): Step[] {
  const { partition = 0, maxUnavailable } = set.spec!.updateStrategy?.rollingUpdate ?? {};
  const most = atOnce(maxUnavailable, set.spec!.replicas ?? 1);
  const steps: Step[] = [];
  let pending = 0;
  for (const pod of pods.slice(partition).toReversed()) {
    const isNew = revisionNameOf(pod) === update;
    if (isNew && isHealthy(set, pod, now)) continue;
    if (!isNew && pod.metadata.deletionTimestamp === undefined) steps.push({ do: 'delete', pod, why: 'updated' });
    if (++pending >= most) return steps;
  }
  return steps;
}

function atOnce(maxUnavailable: number | string | undefined, replicas: number): number {
  if (maxUnavailable === undefined) return 1;
  const count =
    typeof maxUnavailable === 'number'
      ? maxUnavailable
      : Math.ceil((Number.parseInt(maxUnavailable, 10) * replicas) / 100);
  return Math.max(1, count);
}

export function revisionNameOf({ metadata }: Pod): string | undefined {
  return metadata.labels?.[revisionHashLabel];
}

/** Whether a pod that is made now still gets the template of before: its turn has not come. */
export function isBeforeUpdate(set: StatefulSet, ordinal: number): boolean {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec!.updateStrategy ?? {};
  const place = ordinal - (set.spec!.ordinals?.start ?? 0);
  if (rollingUpdate?.partition !== undefined) return place < rollingUpdate.partition;
  return type === 'RollingUpdate' && place < (set.status?.currentReplicas ?? 0);
}
