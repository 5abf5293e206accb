/** Whether a Job is through, and how many pods it should have now. Pure. */
import type { Job } from '../../api/index.ts';
import { parseIndexes } from './indexes.ts';
import type { Tally } from './tally.ts';

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
