/** Whether a Job is through, and how many pods it should have now. Pure. */
import type { Job, Pod } from '../../api/index.ts';
import { parseIndexes } from './indexes.ts';
import { failuresUpTo, indexOf } from './podfor.ts';
import { hasFailed, type Tally } from './tally.ts';

export interface Outcome {
  type: 'Complete' | 'Failed';
  reason: string;
  message: string;
}

const conditionOf = ({ status }: Job, type: string) =>
  status?.conditions?.find((one) => one.type === type && one.status === 'True');

export function isFinished(job: Job): boolean {
  return conditionOf(job, 'Complete') !== undefined || conditionOf(job, 'Failed') !== undefined;
}

/** What the Job comes to, once its pods are gone. Undefined: it goes on. What was once decided stays. */
export function outcomeOf(job: Job, tally: Tally, now: number): Outcome | undefined {
  const failing = conditionOf(job, 'FailureTarget');
  if (failing) return { type: 'Failed', reason: failing.reason ?? '', message: failing.message ?? '' };
  const succeeding = conditionOf(job, 'SuccessCriteriaMet');
  if (succeeding) return { type: 'Complete', reason: succeeding.reason ?? '', message: succeeding.message ?? '' };
  return failureOf(job, tally, now) ?? successOf(job, tally);
}

function failureOf(job: Job, tally: Tally, now: number): Outcome | undefined {
  const { activeDeadlineSeconds, backoffLimit = 6, maxFailedIndexes, completions = 0 } = job.spec;
  const failed = (reason: string, message: string): Outcome => ({ type: 'Failed', reason, message });
  if (tally.fatal) return failed('PodFailurePolicy', tally.fatal.message ?? '');
  if (tally.failed > backoffLimit || restartsOf(job, tally) > backoffLimit)
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if (timeLeft(job, now) <= 0 && activeDeadlineSeconds !== undefined)
    return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (tally.failedIndexes.size > (maxFailedIndexes ?? Number.POSITIVE_INFINITY))
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  if (tally.failedIndexes.size > 0 && tally.failedIndexes.size + tally.completed.size >= completions)
    return failed('FailedIndexes', 'Job has failed indexes');
  return undefined;
}

/** Pods that restart their containers themselves fail by that. */
function restartsOf({ spec }: Job, { active }: Tally): number {
  if (spec.template?.spec?.restartPolicy !== 'OnFailure') return 0;
  const statuses = active.flatMap(({ status }) => [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]);
  const sum = statuses.reduce((total, one) => total + (one.restartCount ?? 0), 0);
  // with a limit of none the first restart is one too many
  return spec.backoffLimit === 0 ? sum : sum >= (spec.backoffLimit ?? 6) ? Number.POSITIVE_INFINITY : 0;
}

/** Milliseconds until the Job's deadline; infinite without one. */
export function timeLeft({ spec, status }: Job, now: number): number {
  if (spec.activeDeadlineSeconds === undefined || !status?.startTime || spec.suspend) return Number.POSITIVE_INFINITY;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now;
}

function successOf(job: Job, tally: Tally): Outcome | undefined {
  const { completions, successPolicy } = job.spec;
  for (const [i, { succeededIndexes, succeededCount }] of (successPolicy?.rules ?? []).entries()) {
    const counting = parseIndexes(succeededIndexes);
    const among = [...tally.completed].filter((index) => succeededIndexes === undefined || counting.has(index));
    const needed = succeededCount ?? counting.size;
    if (among.length >= needed)
      return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${i}` };
  }
  const done =
    completions === undefined
      ? tally.succeeded > 0 && tally.active.length === 0 && tally.terminating === 0
      : tally.succeeded >= completions && tally.active.length === 0;
  return done
    ? { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
    : undefined;
}

/** How many pods should be active; those that are ending count when the Job waits for them. */
export function wantedActive({ spec }: Job, tally: Tally): number {
  const { parallelism = 1, completions } = spec;
  if (spec.suspend) return 0;
  if (completions === undefined) return tally.succeeded > 0 ? Math.min(tally.active.length, parallelism) : parallelism;
  return Math.min(parallelism, Math.max(0, completions - tally.succeeded - tally.failedIndexes.size));
}

/** The first indexes that nobody works on, with how often each has failed. */
export function nextIndexes(
  job: Job,
  tally: Tally,
  pods: readonly Pod[],
  count: number,
): { index: number; failures?: number }[] {
  const waits = job.spec.podReplacementPolicy === 'Failed';
  const busy = new Set(
    pods
      .filter(
        (pod) =>
          tally.active.includes(pod) ||
          (waits && pod.metadata.deletionTimestamp && !hasFailed(job, pod) && pod.status?.phase !== 'Succeeded'),
      )
      .map(indexOf),
  );
  const found: { index: number; failures?: number }[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && found.length < count; index++) {
    if (busy.has(index) || tally.completed.has(index) || tally.failedIndexes.has(index)) continue;
    const earlier = pods.filter((pod) => indexOf(pod) === index && hasFailed(job, pod)).map(failuresUpTo);
    found.push({ index, ...(job.spec.backoffLimitPerIndex !== undefined && { failures: Math.max(0, ...earlier) }) });
  }
  return found;
}

const firstDelay = 10_000;
const longestDelay = 600_000;

/** Milliseconds to wait before the next pod is made: longer with each failure since the last success. */
export function backoffOf(job: Job, pods: readonly Pod[], now: number): number {
  const lastSuccess = Math.max(0, ...pods.filter(({ status }) => status?.phase === 'Succeeded').map(endOf));
  const failures = pods.filter((pod) => hasFailed(job, pod) && endOf(pod) > lastSuccess).map(endOf);
  if (failures.length === 0) return 0;
  const delay = Math.min(longestDelay, firstDelay * 2 ** (failures.length - 1));
  return Math.max(0, Math.max(...failures) + delay - now);
}

/** When the pod ended, as far as can be told; milliseconds since the epoch. */
function endOf({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).flatMap(({ state }) =>
    state?.terminated?.finishedAt ? [Date.parse(state.terminated.finishedAt)] : [],
  );
  if (ends.length > 0) return Math.max(...ends);
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
  return Date.parse(ready ?? metadata.deletionTimestamp ?? metadata.creationTimestamp ?? '') || 0;
}
