/** What has become of a Job's pods so far. Pure. */
import type { Job, Pod } from '../../api/index.ts';
import { isActive, isReady, isTerminating } from '../pods.ts';
import { type Verdict, verdictOn } from './failurepolicy.ts';
import { parseIndexes } from './indexes.ts';
import { failuresUpTo, indexOf, isTracked } from './podfor.ts';

export interface Tally {
  active: Pod[];
  ready: number;
  terminating: number;
  /** Of an Indexed Job, the indexes that are done; else how many pods. */
  succeeded: number;
  failed: number;
  /** Pods that have ended and are in no count yet, by uid. */
  uncounted: { succeeded: string[]; failed: string[] };
  /** What of these has been counted for good. */
  counted: { succeeded: number; failed: number };
  completed: Set<number>;
  failedIndexes: Set<number>;
  /** A pod whose failure is the whole Job's. */
  fatal?: Verdict;
  /** Ended pods whose finalizer can go once the status is written. */
  ended: Pod[];
}

export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === 'Indexed';
}

/** A pod that is on its way out is lost, unless the Job waits for it. */
export function hasFailed(job: Job, pod: Pod): boolean {
  const { phase } = pod.status ?? {};
  if (phase === 'Failed') return true;
  return job.spec.podReplacementPolicy !== 'Failed' && isTerminating(pod);
}

export function tallyOf(job: Job, pods: readonly Pod[]): Tally {
  const { status = {} } = job;
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const before = {
    succeeded: status.uncountedTerminatedPods?.succeeded ?? [],
    failed: status.uncountedTerminatedPods?.failed ?? [],
  };
  const still = (uids: string[]) => uids.filter((uid) => tracked.has(uid));
  const settled = (uids: string[]) => uids.length - still(uids).length;
  const uncounted = { succeeded: still(before.succeeded), failed: still(before.failed) };
  const counted = {
    succeeded: (status.succeeded ?? 0) + (isIndexed(job) ? 0 : settled(before.succeeded)),
    failed: (status.failed ?? 0) + settled(before.failed),
  };
  const completed = parseIndexes(status.completedIndexes, job.spec.completions);
  const failedIndexes = parseIndexes(status.failedIndexes, job.spec.completions);
  const tally: Tally = {
    active: pods.filter(isActive),
    ready: pods.filter((pod) => isActive(pod) && isReady(pod)).length,
    terminating: pods.filter(isTerminating).length,
    succeeded: 0,
    failed: 0,
    uncounted,
    counted,
    completed,
    failedIndexes,
    ended: [],
  };
  for (const pod of pods) if (isTracked(pod)) note(job, pod, tally);
  tally.succeeded = isIndexed(job) ? completed.size : counted.succeeded + uncounted.succeeded.length;
  if (isIndexed(job)) counted.succeeded = completed.size;
  tally.failed = counted.failed + uncounted.failed.length;
  return tally;
}

function note(job: Job, pod: Pod, tally: Tally): void {
  const uid = pod.metadata.uid!;
  const index = isIndexed(job) ? indexOf(pod) : undefined;
  if (pod.status?.phase === 'Succeeded') {
    tally.ended.push(pod);
    if (isIndexed(job)) {
      if (index !== undefined && index < job.spec.completions! && !tally.failedIndexes.has(index))
        tally.completed.add(index);
    } else if (!tally.uncounted.succeeded.includes(uid)) tally.uncounted.succeeded.push(uid);
    return;
  }
  if (!hasFailed(job, pod)) return;
  tally.ended.push(pod);
  const verdict: Verdict = pod.status?.phase === 'Failed' ? verdictOn(job, pod) : { action: 'Count' };
  if (verdict.action === 'FailJob') tally.fatal ??= verdict;
  const limit = job.spec.backoffLimitPerIndex;
  if (index !== undefined && limit !== undefined && verdict.action !== 'Ignore' && !tally.completed.has(index))
    if (verdict.action === 'FailIndex' || failuresUpTo(pod) > limit) tally.failedIndexes.add(index);
  if (verdict.action !== 'Ignore' && !tally.uncounted.failed.includes(uid)) tally.uncounted.failed.push(uid);
}
