/** Jobs that are made again and again, by the calendar. */
import { type CronJob, cronJobs, type Job, jobs } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { apiVersionOf, cloneJson, equalJson, formatTime, isStatusError } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';
import { controllerRef } from '../pods.ts';
import { lastWithin, missedMoreThan, nextAfter, parseSchedule, type Schedule } from './schedule.ts';

/** Missed starts, from which on something is wrong with the clock or the controller. */
const many = 100;
const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

export const cronJobController: Controller<CronJob> = {
  name: 'cronjob-controller',
  for: cronJobs,
  owns: [jobs],
  async reconcile(key, context) {
    const { lister, clock, events } = context;
    const cron = lister(cronJobs).get(key);
    if (cron === undefined || cron.metadata.deletionTimestamp !== undefined) return;
    await cleanUp(cron, context);
    const before = await writeStatus(cron, statusOf(cron, context), context);
    if (before === undefined || cron.spec.suspend) return;
    let schedule: Schedule;
    const now = clock.now();
    let due: number | undefined;
    let next: number | undefined;
    try {
      schedule = parseSchedule(cron.spec.schedule);
      due = lastWithin(schedule, sinceOf(before, now), now, cron.spec.timeZone);
      next = nextAfter(schedule, schedule.every && due === undefined ? sinceOf(before, now) : now, cron.spec.timeZone);
      if (missedMoreThan(many, schedule, sinceOf(before, now), now, cron.spec.timeZone))
        events.event(
          cron,
          'Warning',
          'TooManyMissedTimes',
          'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
        );
    } catch (error) {
      if (error instanceof RangeError) {
        const zone = JSON.stringify(cron.spec.timeZone);
        events.event(cron, 'Warning', 'UnknownTimeZone', `invalid timeZone: ${zone}: ${error.message}`);
        return;
      }
      events.event(
        cron,
        'Warning',
        'UnparseableSchedule',
        `unparseable schedule ${JSON.stringify(cron.spec.schedule)}: ${(error as Error).message}`,
      );
      return;
    }
    if (due === undefined && next === undefined)
      events.event(cron, 'Warning', 'InvalidSchedule', `invalid schedule: ${cron.spec.schedule} : it never comes`);
    if (due !== undefined && (await mayStart(before, due, context))) await start(before, due, context);
    return next === undefined ? {} : { requeueAfter: Math.max(0, next - now) + 100 };
  },
};

/** What came before has been dealt with, or is too late. */
function sinceOf({ metadata, spec, status }: CronJob, now: number): number {
  const seen = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '');
  return spec.startingDeadlineSeconds === undefined ? seen : Math.max(seen, now - spec.startingDeadlineSeconds * 1000);
}

function jobsOf({ metadata }: CronJob, { lister }: ReconcileContext): readonly Job[] {
  return lister<Job>(jobs).controlledBy(metadata.uid!);
}

function endOf({ status }: Job): 'Complete' | 'Failed' | undefined {
  const ended = status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
  return ended?.type as 'Complete' | 'Failed' | undefined;
}

/** Whether the time is free; `Replace` frees it. */
async function mayStart(cron: CronJob, due: number, context: ReconcileContext): Promise<boolean> {
  const running = jobsOf(cron, context).filter((job) => endOf(job) === undefined);
  const { concurrencyPolicy = 'Allow' } = cron.spec;
  if (running.some(({ metadata }) => metadata.name === nameFor(cron, due))) return false;
  if (concurrencyPolicy === 'Forbid' && running.length > 0) {
    context.events.event(
      cron,
      'Normal',
      'JobAlreadyActive',
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    );
    return false;
  }
  if (concurrencyPolicy === 'Replace') for (const job of running) await end(cron, job, context);
  return true;
}

async function start(cron: CronJob, due: number, context: ReconcileContext): Promise<void> {
  const { client, events } = context;
  try {
    const job = await client.create<Job>(jobs, jobFor(cron, due));
    events.event(cron, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`);
  } catch (error) {
    const terminating =
      isStatusError(error, 'Forbidden') &&
      error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating');
    if (terminating) return;
    if (!isStatusError(error, 'AlreadyExists')) {
      events.event(cron, 'Warning', 'FailedCreate', `Error creating job: ${(error as Error).message}`);
      throw error;
    }
  }
  await writeStatus(cron, { ...statusOf(cron, context), lastScheduleTime: formatTime(due) }, context);
}

function nameFor({ metadata }: CronJob, due: number): string {
  return `${metadata.name}-${Math.floor(due / 60_000)}`;
}

export function jobFor(cron: CronJob, due: number): Job {
  const { metadata, spec } = cron.spec.jobTemplate;
  return {
    metadata: {
      name: nameFor(cron, due),
      namespace: cron.metadata.namespace,
      ...(metadata?.labels && { labels: { ...metadata.labels } }),
      annotations: { ...metadata?.annotations, [scheduledAnnotation]: formatTime(due) },
      ownerReferences: [controllerRef(cronJobs, cron)],
    },
    spec: cloneJson(spec!),
  };
}

/** Of Jobs that ended, the last few are kept. */
async function cleanUp(cron: CronJob, context: ReconcileContext): Promise<void> {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cron.spec;
  const age = ({ metadata, status }: Job) => String(status?.startTime ?? metadata.creationTimestamp);
  for (const [how, keep] of [
    ['Complete', successfulJobsHistoryLimit],
    ['Failed', failedJobsHistoryLimit],
  ] as const) {
    const ended = jobsOf(cron, context)
      .filter((job) => endOf(job) === how && job.metadata.deletionTimestamp === undefined)
      .toSorted((a, b) => age(a).localeCompare(age(b)));
    for (const job of ended.slice(0, Math.max(0, ended.length - keep))) await end(cron, job, context);
  }
}

async function end(cron: CronJob, job: Job, { client, events }: ReconcileContext): Promise<void> {
  const options = { propagationPolicy: 'Background' as const, preconditions: { uid: job.metadata.uid! } };
  await client.delete(jobs, refOf(job), options).catch((error: unknown) => {
    if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
  });
  events.event(cron, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`);
}

type Status = NonNullable<CronJob['status']>;

function statusOf(cron: CronJob, context: ReconcileContext): Status {
  const all = jobsOf(cron, context);
  const { lastScheduleTime, lastSuccessfulTime = '' } = cron.status ?? {};
  const active = all
    .filter((job) => endOf(job) === undefined && job.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
    .map(({ metadata: { name, namespace, uid } }) => ({
      apiVersion: apiVersionOf(jobs),
      kind: jobs.kind,
      name,
      namespace,
      uid,
    }));
  const succeeded = all.filter((job) => endOf(job) === 'Complete').map(({ status }) => status?.completionTime ?? '');
  const last = [lastSuccessfulTime, ...succeeded].toSorted().at(-1);
  return {
    ...(active.length > 0 && { active }),
    ...(lastScheduleTime && { lastScheduleTime }),
    ...(last && { lastSuccessfulTime: last }),
  };
}

/** Undefined when the CronJob is gone. */
async function writeStatus(
  cron: CronJob,
  status: Status,
  { client, lister }: ReconcileContext,
): Promise<CronJob | undefined> {
  const fresh = lister<CronJob>(cronJobs).get(`${cron.metadata.namespace}/${cron.metadata.name}`) ?? cron;
  if (equalJson(withoutVersions(status), withoutVersions(fresh.status ?? {}))) return fresh;
  try {
    return await client.update<CronJob>(cronJobs, { ...fresh, status }, { subresource: 'status' });
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function withoutVersions({ active = [], ...status }: Status): object {
  return { ...status, active: active.map(({ uid }) => uid) };
}
