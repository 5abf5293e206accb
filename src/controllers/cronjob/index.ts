/** Jobs that are made again and again, by the calendar. */
import { type CronJob, cronJobs, type Job, jobs } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { cloneJson, equalJson, formatTime, isStatusError } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';
import { controllerRef } from '../pods.ts';
import { lastWithin, missedMoreThan, nextAfter, type Schedule } from './schedule.ts';
import { endOf, jobsOf, referenceTo, type Status, statusOf } from './status.ts';
import { formatZoned, parseZonedSchedule } from './zoned.ts';

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
    const cleaned = await cleanUp(cron, context);
    const before = await writeStatus(cron, await statusOf(cron, cleaned, context), context);
    if (before === undefined || before.spec.suspend) return;
    const now = clock.now();
    const times = timesOf(before, now, events);
    if (times === undefined) return;
    const { due, next } = times;
    if (due !== undefined && (await mayStart(before, due, context))) await start(before, due, context);
    return next === undefined ? {} : { requeueAfter: Math.max(0, next - now) + 100 };
  },
};

interface Times {
  /** What should have started by now and has not. Milliseconds since the epoch, as `next`. */
  due?: number;
  next?: number;
}

/** Undefined when the schedule says nothing that could be followed; who wrote it is told. */
function timesOf(cron: CronJob, now: number, events: ReconcileContext['events']): Times | undefined {
  const { schedule: text = '', timeZone } = cron.spec;
  const warn = (reason: string, message: string) => events.event(cron, 'Warning', reason, message);
  if (text.includes('TZ'))
    warn('UnsupportedSchedule', `CRON_TZ or TZ used in schedule ${JSON.stringify(text)} is not officially supported`);
  try {
    const { schedule, zone } = parseZonedSchedule(text, timeZone);
    return timesBy(schedule, zone, cron, now, warn);
  } catch (error) {
    const why = (error as Error).message;
    if (error instanceof RangeError) warn('UnknownTimeZone', `invalid timeZone: ${JSON.stringify(timeZone)}: ${why}`);
    else warn('UnparseableSchedule', `unparseable schedule: ${JSON.stringify(text)} : ${why}`);
    return undefined;
  }
}

function timesBy(
  schedule: Schedule,
  zone: string | undefined,
  cron: CronJob,
  now: number,
  warn: (reason: string, message: string) => void,
): Times | undefined {
  const since = sinceOf(cron, now);
  if (nextAfter(schedule, since, zone) === undefined) {
    warn('InvalidSchedule', `invalid schedule: ${cron.spec.schedule} : it applies on no day that ever comes`);
    return undefined;
  }
  const due = lastWithin(schedule, since, now, zone);
  if (due !== undefined && missedMoreThan(many, schedule, since, now, zone))
    warn(
      'TooManyMissedTimes',
      'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
    );
  // what the deadline rules out
  const missed = due === undefined ? lastWithin(schedule, handledUpTo(cron), now, zone) : undefined;
  if (missed !== undefined)
    warn('MissSchedule', `Missed scheduled time to start a job: ${new Date(missed).toUTCString()}`);
  return { due, next: nextAfter(schedule, schedule.every && due === undefined ? since : now, zone) };
}

/** What came before has been dealt with. */
function handledUpTo({ metadata, status }: CronJob): number {
  return Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '');
}

/** What came before has been dealt with, or is too late. */
function sinceOf(cron: CronJob, now: number): number {
  const { startingDeadlineSeconds } = cron.spec;
  const seen = handledUpTo(cron);
  return startingDeadlineSeconds === undefined ? seen : Math.max(seen, now - startingDeadlineSeconds * 1000);
}

/** Whether the time is free; `Replace` frees it. */
async function mayStart(cron: CronJob, due: number, context: ReconcileContext): Promise<boolean> {
  const { client, events } = context;
  const active = cron.status?.active ?? [];
  const { concurrencyPolicy = 'Allow' } = cron.spec;
  if (active.some(({ name }) => name === nameFor(cron, due))) return false;
  if (concurrencyPolicy === 'Forbid' && active.length > 0) {
    events.event(
      cron,
      'Normal',
      'JobAlreadyActive',
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    );
    return false;
  }
  if (concurrencyPolicy !== 'Replace') return true;
  for (const { name, namespace } of active) {
    const job = await client.get<Job>(jobs, { name: name!, namespace: namespace! }).catch((error: unknown) => {
      events.event(cron, 'Warning', 'FailedGet', `Get job: ${(error as Error).message}`);
      throw error;
    });
    await end(cron, job, context);
  }
  return true;
}

async function start(cron: CronJob, due: number, context: ReconcileContext): Promise<void> {
  const job = await create(cron, due, context);
  if (job === undefined) return;
  const { active = [], ...rest } = cron.status ?? {};
  const left = cron.spec.concurrencyPolicy === 'Replace' ? [] : active;
  const status = { ...rest, active: [...left, referenceTo(job)], lastScheduleTime: formatTime(due) };
  await writeStatus(cron, status, context);
}

/** Undefined when there is nothing to follow up. */
async function create(cron: CronJob, due: number, { client, events }: ReconcileContext): Promise<Job | undefined> {
  try {
    const job = await client.create<Job>(jobs, jobFor(cron, due));
    events.event(cron, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`);
    return job;
  } catch (error) {
    const terminating =
      isStatusError(error, 'Forbidden') &&
      error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating');
    if (terminating) return undefined;
    if (!isStatusError(error, 'AlreadyExists')) {
      events.event(cron, 'Warning', 'FailedCreate', `Error creating job: ${(error as Error).message}`);
      throw error;
    }
    // ours of an earlier try, unless somebody else took the name
    const job = await client.get<Job>(jobs, { name: nameFor(cron, due), namespace: cron.metadata.namespace! });
    return job.metadata.ownerReferences?.some((one) => one.controller && one.uid === cron.metadata.uid)
      ? job
      : undefined;
  }
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
      annotations: { ...metadata?.annotations, [scheduledAnnotation]: formatZoned(due, cron.spec.timeZone) },
      ownerReferences: [controllerRef(cronJobs, cron)],
    },
    spec: cloneJson(spec!),
  };
}

/** Of Jobs that ended, the last few are kept. Returns those that went. */
async function cleanUp(cron: CronJob, context: ReconcileContext): Promise<Set<string>> {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cron.spec;
  const age = ({ metadata, status }: Job) => `${status?.startTime ?? metadata.creationTimestamp} ${metadata.name}`;
  const gone = new Set<string>();
  for (const [how, keep] of [
    ['Complete', successfulJobsHistoryLimit],
    ['Failed', failedJobsHistoryLimit],
  ] as const) {
    const ended = jobsOf(cron, context)
      .filter((job) => endOf(job) === how && job.metadata.deletionTimestamp === undefined)
      .toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
    for (const job of ended.slice(0, Math.max(0, ended.length - keep))) {
      await end(cron, job, context);
      gone.add(job.metadata.uid!);
    }
  }
  return gone;
}

async function end(cron: CronJob, job: Job, { client, events }: ReconcileContext): Promise<void> {
  const options = { propagationPolicy: 'Background' as const, preconditions: { uid: job.metadata.uid! } };
  try {
    await client.delete(jobs, refOf(job), options);
  } catch (error) {
    if (isStatusError(error, 'NotFound', 'Conflict')) return;
    events.event(cron, 'Warning', 'FailedDelete', `Deleted job: ${(error as Error).message}`);
    throw error;
  }
  events.event(cron, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`);
}

/** Undefined when the CronJob is gone. */
async function writeStatus(cron: CronJob, status: Status, { client }: ReconcileContext): Promise<CronJob | undefined> {
  if (equalJson(withoutVersions(status), withoutVersions(cron.status ?? {}))) return cron;
  try {
    return await client.update<CronJob>(cronJobs, { ...cron, status }, { subresource: 'status' });
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function withoutVersions({ active = [], ...status }: Status): object {
  return { ...status, active: active.map(({ uid }) => uid) };
}
