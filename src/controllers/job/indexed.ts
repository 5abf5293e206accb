/** Which indexes of an Indexed Job get a pod next, and which pods it has too many. Pure. */
import type { Job, Pod } from '../../api/index.ts';
import { endBefore } from '../pods.ts';
import { backoffOfIndex, endOf } from './backoff.ts';
import { allFailuresUpTo, type Failures, failuresUpTo, ignoredUpTo, indexOf } from './podfor.ts';
import { verdictOn } from './failurepolicy.ts';
import { hasFailed, isIndexed, type Tally } from './tally.ts';

/**
 * With a limit per index: of each index that nobody works on, the pod that failed last. Such a pod stays until its successor is there, for what
 * it says of the failures so far is written nowhere else.
 */
export function lastFailures(job: Job, tally: Tally, pods: readonly Pod[]): Map<number, Pod> {
  const last = new Map<number, Pod>();
  if (job.spec.backoffLimitPerIndex === undefined) return last;
  const busy = new Set(tally.active.map(indexOf));
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index === undefined || index >= (job.spec.completions ?? 0) || !hasFailed(job, pod)) continue;
    if (busy.has(index) || tally.completed.has(index) || tally.failedIndexes.has(index)) continue;
    const known = last.get(index);
    const later = known === undefined || (allFailuresUpTo(known) <= allFailuresUpTo(pod) && endOf(known) <= endOf(pod));
    if (later) last.set(index, pod);
  }
  return last;
}

export interface NextIndexes {
  /** With how often each has failed, when that is counted. */
  ready: { index: number; failures?: Failures }[];
  /** Milliseconds until the first of the others may start again; infinite when there are none. */
  wait: number;
}

/** The first indexes that nobody works on, as far as their back-off lets them start. */
export function nextIndexes(
  job: Job,
  tally: Tally,
  { pods, last, count, now }: { pods: readonly Pod[]; last: ReadonlyMap<number, Pod>; count: number; now: number },
): NextIndexes {
  const next: NextIndexes = { ready: [], wait: Number.POSITIVE_INFINITY };
  const busy = busyIndexes(job, tally, pods);
  let found = 0;
  for (let index = 0; index < (job.spec.completions ?? 0) && found < count; index++) {
    if (busy.has(index) || tally.completed.has(index) || tally.failedIndexes.has(index)) continue;
    found++;
    const wait = backoffOfIndex(last.get(index), now);
    if (wait > 0) next.wait = Math.min(next.wait, wait);
    else if (job.spec.backoffLimitPerIndex === undefined) next.ready.push({ index });
    else next.ready.push({ index, failures: failuresAfter(job, last.get(index)) });
  }
  return next;
}

function busyIndexes(job: Job, tally: Tally, pods: readonly Pod[]): Set<number | undefined> {
  const waits = job.spec.podReplacementPolicy === 'Failed';
  const leaving = (pod: Pod) =>
    waits && pod.metadata.deletionTimestamp && !hasFailed(job, pod) && pod.status?.phase !== 'Succeeded';
  return new Set([...tally.active, ...pods.filter(leaving)].map(indexOf));
}

function failuresAfter(job: Job, last: Pod | undefined): Failures {
  if (last === undefined) return { counted: 0, ignored: 0 };
  const overlooked = verdictOn(job, last).action === 'Ignore';
  return {
    counted: failuresUpTo(last) - (overlooked ? 1 : 0),
    ignored: ignoredUpTo(last) + (overlooked ? 1 : 0),
  };
}

/** The active pods to end: at least `excess`, and every one whose index is none, is beyond the last, or is another's already. */
export function toEnd(job: Job, active: readonly Pod[], excess: number): Pod[] {
  const rank = (a: Pod, b: Pod) => endBefore(a, b, () => 0);
  const sorted = active.toSorted(rank);
  const ending = new Set<Pod>();
  if (isIndexed(job)) {
    const kept = new Set<number>();
    // the one that is of most use stays
    for (const pod of sorted.toReversed()) {
      const index = indexOf(pod);
      if (index === undefined || index >= (job.spec.completions ?? 0) || kept.has(index)) ending.add(pod);
      else kept.add(index);
    }
  }
  for (const pod of sorted) if (ending.size < excess) ending.add(pod);
  return [...ending];
}
