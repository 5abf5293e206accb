/** What a CronJob's Jobs have come to. Its list of active ones is what it made itself: others of its Jobs are told of, and left alone. */
import { type CronJob, cronJobs, type Job, jobs, type ObjectReference } from '../../api/index.ts';
import type { ReconcileContext } from '../../client/index.ts';
import { apiVersionOf, isStatusError } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';

export type Status = NonNullable<CronJob['status']>;

export function jobsOf({ metadata }: CronJob, { lister }: ReconcileContext): readonly Job[] {
  return lister<Job>(jobs).controlledBy(metadata.uid!);
}

export function endOf({ status }: Job): 'Complete' | 'Failed' | undefined {
  const ended = status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
  return ended?.type as 'Complete' | 'Failed' | undefined;
}

export function referenceTo({ metadata: { name, namespace, uid } }: Job): ObjectReference {
  return { apiVersion: apiVersionOf(jobs), kind: jobs.kind, name, namespace, uid };
}

/** `deleted`: uids of Jobs that count no more. */
export async function statusOf(cron: CronJob, deleted: Set<string>, context: ReconcileContext): Promise<Status> {
  const all = jobsOf(cron, context);
  const known = await withLatest(cron, all, deleted, context);
  const active = await stillActive(cron, known, all, deleted, context);
  const { lastScheduleTime, lastSuccessfulTime = '' } = cron.status ?? {};
  const succeeded = all.filter((job) => endOf(job) === 'Complete').map(({ status }) => status?.completionTime ?? '');
  const last = [lastSuccessfulTime, ...succeeded].toSorted().at(-1);
  return {
    ...(active.length > 0 && { active }),
    ...(lastScheduleTime && { lastScheduleTime }),
    ...(last && { lastSuccessfulTime: last }),
  };
}

/** What runs and is in no list: our own word may not have reached the cache yet, so we ask before we wonder. */
async function withLatest(
  cron: CronJob,
  all: readonly Job[],
  deleted: Set<string>,
  { client, events }: ReconcileContext,
): Promise<ObjectReference[]> {
  const listed = new Set(cron.status?.active?.map(({ uid }) => uid));
  const strange = all.filter(
    (job) => endOf(job) === undefined && !listed.has(job.metadata.uid!) && !deleted.has(job.metadata.uid!),
  );
  if (strange.length === 0) return cron.status?.active ?? [];
  const { status } = await client.get<CronJob>(cronJobs, refOf(cron));
  const now = new Set(status?.active?.map(({ uid }) => uid));
  for (const { metadata } of strange)
    if (!now.has(metadata.uid!) && metadata.deletionTimestamp === undefined)
      events.event(
        cron,
        'Warning',
        'UnexpectedJob',
        `Saw a job that the controller did not create or forgot: ${metadata.name}`,
      );
  return status?.active ?? [];
}

async function stillActive(
  cron: CronJob,
  known: readonly ObjectReference[],
  all: readonly Job[],
  deleted: Set<string>,
  { client, events }: ReconcileContext,
): Promise<ObjectReference[]> {
  const byUid = new Map(all.map((job) => [job.metadata.uid, job]));
  const active: ObjectReference[] = [];
  for (const reference of known) {
    const { uid, name, namespace } = reference;
    if (deleted.has(uid!)) continue;
    const job = byUid.get(uid);
    const end = job && endOf(job);
    if (end !== undefined)
      events.event(cron, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${end}`);
    else if (job !== undefined || (await isThere(client, { name: name!, namespace: namespace! })))
      active.push(reference);
    else events.event(cron, 'Normal', 'MissingJob', `Active job went missing: ${name}`);
  }
  return active;
}

async function isThere(client: ReconcileContext['client'], at: { name: string; namespace: string }): Promise<boolean> {
  try {
    await client.get<Job>(jobs, at);
    return true;
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return false;
    throw error;
  }
}
