/** Pods that run until so many of them have succeeded. Every pod is counted once, however it goes: a finalizer keeps it until it is. */
import { type Job, type JobCondition, jobs, type Pod, pods } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { equalJson, formatTime, isStatusError, keyOf, labelSelectorAsSelector } from '../../machinery/index.ts';
import { allOf } from '../allof.ts';
import { claim, refOf } from '../claim.ts';
import { backoffOf } from './backoff.ts';
import { lastFailures, nextIndexes, toEnd } from './indexed.ts';
import { formatIndexes } from './indexes.ts';
import { isFinished, type Outcome, outcomeOf, timeLeft, wantedActive } from './outcome.ts';
import { type Failures, isTracked, jobPodFor, trackingFinalizer } from './podfor.ts';
import { isIndexed, type Tally, tallyOf } from './tally.ts';

const burst = 500;
const ourName = 'kubernetes.io/job-controller';

export const jobController: Controller<Job> = {
  name: 'job-controller',
  for: jobs,
  owns: [pods],
  watches: [{ resource: pods, keys: orphansOwners }],
  async reconcile(key, context) {
    const job = context.lister(jobs).get(key);
    if (job === undefined) return forget(key, context);
    if (job.spec.managedBy && job.spec.managedBy !== ourName) return;
    const mine = await claim<Pod>(context, jobs, job, labelSelectorAsSelector(job.spec.selector), pods);
    if (isFinished(job) || job.metadata.deletionTimestamp !== undefined) return release(mine, context);
    const now = context.clock.now();
    const started =
      job.status?.startTime || job.spec.suspend
        ? job
        : await writeStatus(job, { ...job.status, startTime: formatTime(now) }, context);
    if (started === undefined) return;
    const tally = tallyOf(started, mine);
    const outcome = outcomeOf(started, tally, now);
    const wait =
      outcome || started.spec.suspend
        ? await endActive(started, tally, outcome?.type === 'Failed', context)
        : await scale(started, tally, mine, context);
    const written = await writeStatus(started, statusOf(started, tally, outcome, context), context);
    if (written === undefined) return;
    const kept = new Set(outcome ? [] : lastFailures(started, tally, mine).values());
    // counted in the status, so that it is safe to let them go
    const counted = tally.ended.filter((pod) => !kept.has(pod));
    await release(counted, context);
    if (outcome && isFinished(written)) await release(mine, context);
    const next = Math.min(wait, outcome ? Number.POSITIVE_INFINITY : Math.max(0, timeLeft(started, now)));
    return Number.isFinite(next) ? { requeueAfter: next } : {};
  },
};

function orphansOwners(pod: Pod, { lister }: ReconcileContext): string[] {
  if (pod.metadata.ownerReferences?.some((one) => one.controller === true)) return [];
  return lister<Job>(jobs)
    .list({ namespace: pod.metadata.namespace })
    .filter(({ spec }) => labelSelectorAsSelector(spec.selector).matches(pod.metadata.labels))
    .map(keyOf);
}

/** The Job is gone: what it held may go, too. */
async function forget(key: string, context: ReconcileContext): Promise<void> {
  const [namespace, name] = key.split('/');
  const left = context
    .lister<Pod>(pods)
    .list({ namespace })
    .filter(
      (pod) => isTracked(pod) && pod.metadata.ownerReferences?.some((one) => one.kind === 'Job' && one.name === name),
    );
  await release(left, context);
}

async function release(some: readonly Pod[], { client }: ReconcileContext): Promise<void> {
  await allOf(
    some.filter(isTracked).map(async (pod) => {
      const finalizers = pod.metadata.finalizers!.filter((one) => one !== trackingFinalizer);
      const body = {
        metadata: {
          uid: pod.metadata.uid,
          resourceVersion: pod.metadata.resourceVersion,
          finalizers: finalizers.length > 0 ? finalizers : null,
        },
      };
      await client.patch(pods, refOf(pod), { type: 'merge', body }).catch(ignoreGone);
    }),
  );
}

/** Pods that end because the Job failed have failed; those that are merely not needed any more have not. */
async function endActive(job: Job, { active }: Tally, failed: boolean, context: ReconcileContext): Promise<number> {
  if (!failed) await release(active, context);
  await allOf(active.map((pod) => end(job, pod, context)));
  return Number.POSITIVE_INFINITY;
}

async function end(job: Job, pod: Pod, { client, events }: ReconcileContext): Promise<void> {
  await client.delete(pods, refOf(pod), { preconditions: { uid: pod.metadata.uid! } }).catch(ignoreGone);
  events.event(job, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
}

/** Returns in how many milliseconds more pods may be made. */
async function scale(job: Job, tally: Tally, mine: readonly Pod[], context: ReconcileContext): Promise<number> {
  const wanted = wantedActive(job, tally);
  const chosen = toEnd(job, tally.active, tally.active.length - wanted).slice(0, burst);
  if (chosen.length > 0) {
    // what is not needed any more has not failed
    await release(chosen, context);
    await allOf(chosen.map((pod) => end(job, pod, context)));
    return Number.POSITIVE_INFINITY;
  }
  const waited = job.spec.podReplacementPolicy === 'Failed' ? tally.terminating : 0;
  const missing = Math.min(burst, wanted - tally.active.length - waited);
  if (missing <= 0) return Number.POSITIVE_INFINITY;
  const now = context.clock.now();
  const wait = job.spec.backoffLimitPerIndex === undefined ? backoffOf(job, mine, now) : 0;
  if (wait > 0) return wait;
  if (!isIndexed(job)) {
    await createAll(
      job,
      Array.from({ length: missing }, () => ({})),
      context,
    );
    return Number.POSITIVE_INFINITY;
  }
  const last = lastFailures(job, tally, mine);
  const next = nextIndexes(job, tally, { pods: mine, last, count: missing, now });
  await createAll(job, next.ready, context);
  return next.wait;
}

/** More at a time with every batch that went well: when none can be made, few are tried. */
async function createAll(
  job: Job,
  next: { index?: number; failures?: Failures }[],
  context: ReconcileContext,
): Promise<void> {
  for (let batch = 1, rest = next; rest.length > 0; rest = rest.slice(batch), batch *= 2)
    await allOf(rest.slice(0, batch).map(({ index, failures }) => create(job, index, failures, context)));
}

async function create(
  job: Job,
  index: number | undefined,
  failures: Failures | undefined,
  { client, events }: ReconcileContext,
): Promise<void> {
  try {
    const pod = await client.create<Pod>(pods, jobPodFor(job, index, failures));
    events.event(job, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
  } catch (error) {
    const ending =
      isStatusError(error, 'Forbidden') &&
      error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating');
    if (ending) return;
    events.event(job, 'Warning', 'FailedCreate', `Error creating: ${(error as Error).message}`);
    throw error;
  }
}

type Status = NonNullable<Job['status']>;

function statusOf(
  job: Job,
  tally: Tally,
  outcome: Outcome | undefined,
  { lister, clock, events }: ReconcileContext,
): Status {
  const { uid } = job.metadata;
  const fresh = tallyOf(job, lister<Pod>(pods).controlledBy(uid!));
  const { startTime, completionTime } = job.status ?? {};
  const now = formatTime(clock.now());
  const ended = outcome !== undefined && fresh.active.length === 0 && fresh.terminating === 0;
  const counts = ended ? { succeeded: tally.succeeded, failed: tally.failed } : tally.counted;
  const status: Status = {
    ...(startTime && { startTime }),
    active: fresh.active.length,
    ready: fresh.ready,
    terminating: fresh.terminating,
    ...(counts.succeeded > 0 && { succeeded: counts.succeeded }),
    ...(counts.failed > 0 && { failed: counts.failed }),
    uncountedTerminatedPods: ended ? {} : withoutEmpty(tally.uncounted),
    ...(tally.completed.size > 0 && { completedIndexes: formatIndexes(tally.completed) }),
    ...(job.spec.backoffLimitPerIndex !== undefined && { failedIndexes: formatIndexes(tally.failedIndexes) }),
    conditions: [...(job.status?.conditions ?? [])],
    ...(completionTime && { completionTime }),
  };
  if (outcome === undefined) suspension(job, status, now, events);
  if (outcome) {
    const { type, reason, message } = outcome;
    set(
      status.conditions!,
      { type: type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet', status: 'True', reason, message },
      now,
    );
    if (ended) {
      set(status.conditions!, { type, status: 'True', reason, message }, now);
      if (type === 'Complete') status.completionTime = now;
      if (type === 'Complete' && (status.succeeded ?? 0) > (job.spec.completions ?? Number.POSITIVE_INFINITY))
        events.event(
          job,
          'Warning',
          'TooManySucceededPods',
          'Too many succeeded pods running after completion count reached',
        );
      if (type === 'Complete') events.event(job, 'Normal', 'Completed', 'Job completed');
      else events.event(job, 'Warning', reason, message);
    }
  }
  if (status.conditions!.length === 0) delete status.conditions;
  return status;
}

function withoutEmpty({ succeeded, failed }: Tally['uncounted']): NonNullable<Status['uncountedTerminatedPods']> {
  return { ...(succeeded.length > 0 && { succeeded }), ...(failed.length > 0 && { failed }) };
}

/** A Job that is held has no start; it gets a new one when it goes on. */
function suspension(job: Job, status: Status, now: string, events: ReconcileContext['events']): void {
  const known = status.conditions!.find(({ type }) => type === 'Suspended')?.status === 'True';
  if (job.spec.suspend) {
    delete status.startTime;
    if (!known) events.event(job, 'Normal', 'Suspended', 'Job suspended');
    const told = { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' };
    set(status.conditions!, told, now);
  } else if (known) {
    events.event(job, 'Normal', 'Resumed', 'Job resumed');
    const told = { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' };
    set(status.conditions!, told, now);
  }
}

function set(conditions: JobCondition[], told: JobCondition, now: string): void {
  const at = conditions.findIndex(({ type }) => type === told.type);
  if (at >= 0 && conditions[at]!.status === told.status) return;
  const condition = { ...told, lastProbeTime: now, lastTransitionTime: now };
  if (at >= 0) conditions[at] = condition;
  else conditions.push(condition);
}

/** Undefined when the Job is gone. */
async function writeStatus(job: Job, status: Status, { client }: ReconcileContext): Promise<Job | undefined> {
  if (equalJson(shown(status), shown(job.status ?? {}))) return job;
  try {
    return await client.update<Job>(jobs, { ...job, status }, { subresource: 'status' });
  } catch (error) {
    ignoreGone(error);
    return undefined;
  }
}

function shown({ uncountedTerminatedPods, ...status }: Status): object {
  const counts = Object.entries(status).filter(([, value]) => value !== 0 && value !== undefined);
  return { ...Object.fromEntries(counts), uncounted: uncountedTerminatedPods ?? {} };
}

function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}
