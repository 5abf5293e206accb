/** Jobs that say how long they are of interest after they have ended go then. */
import { type Job, jobs } from '../api/index.ts';
import type { Controller } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';
import { refOf } from './claim.ts';

export const ttlAfterFinished: Controller<Job> = {
  name: 'ttl-after-finished-controller',
  for: jobs,
  async reconcile(key, { client, clock, lister }) {
    const job = lister(jobs).get(key);
    const left = job === undefined ? undefined : timeToLive(job, clock.now());
    if (job === undefined || left === undefined) return;
    if (left > 0) return { requeueAfter: left };
    const { uid, resourceVersion } = job.metadata;
    // somebody may just have asked for more time
    await client
      .delete(jobs, refOf(job), { propagationPolicy: 'Foreground', preconditions: { uid, resourceVersion } })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
      });
    return undefined;
  },
};

/** Milliseconds; undefined when it stays. */
export function timeToLive({ metadata, spec, status }: Job, now: number): number | undefined {
  const ended = status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
  if (ended === undefined || spec.ttlSecondsAfterFinished === undefined || metadata.deletionTimestamp !== undefined)
    return undefined;
  return Date.parse(ended.lastTransitionTime ?? '') + spec.ttlSecondsAfterFinished * 1000 - now;
}
