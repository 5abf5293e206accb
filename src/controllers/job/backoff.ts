/** How long a Job waits before it makes another pod after one that failed. Pure. */
import type { Job, Pod } from '../../api/index.ts';
import { allFailuresUpTo } from './podfor.ts';
import { hasFailed } from './tally.ts';

const firstDelay = 10_000;
const longestDelay = 600_000;

/** Milliseconds to wait before the next pod is made: longer with each failure since the last success. */
export function backoffOf(job: Job, pods: readonly Pod[], now: number): number {
  const lastSuccess = Math.max(0, ...pods.filter(({ status }) => status?.phase === 'Succeeded').map(endOf));
  const failures = pods.filter((pod) => hasFailed(job, pod) && endOf(pod) > lastSuccess).map(endOf);
  return remaining(failures.length, Math.max(0, ...failures), now);
}

/** The same for one index, which waits for nobody else's failures. `last`: the pod of the index that failed last. */
export function backoffOfIndex(last: Pod | undefined, now: number): number {
  return last === undefined ? 0 : remaining(allFailuresUpTo(last), endOf(last), now);
}

function remaining(failures: number, last: number, now: number): number {
  if (failures === 0) return 0;
  return Math.max(0, last + Math.min(longestDelay, firstDelay * 2 ** (failures - 1)) - now);
}

/** When the pod ended, as far as can be told; milliseconds since the epoch. */
export function endOf({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).flatMap(({ state }) =>
    state?.terminated?.finishedAt ? [Date.parse(state.terminated.finishedAt)] : [],
  );
  if (ends.length > 0) return Math.max(...ends);
  const unready = status?.conditions?.find(({ type, status: is }) => type === 'Ready' && is === 'False');
  if (unready?.lastTransitionTime) return Date.parse(unready.lastTransitionTime);
  // the time of deletion is when its grace will be over
  if (metadata.deletionTimestamp !== undefined)
    return Date.parse(metadata.deletionTimestamp) - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  return Date.parse(metadata.creationTimestamp ?? '') || 0;
}
