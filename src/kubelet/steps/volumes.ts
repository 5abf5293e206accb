/** The pod's volumes, all of them, before its sandbox; again when what they are made of has changed. */
import { PullError } from '../imagepull.ts';
import { setUpVolume } from '../volumes/index.ts';
import { pluginOf } from '../volumes/index.ts';
import type { Step, Work } from '../work.ts';

/** Milliseconds until an image that is not to be pulled is looked for again. */
const noPullRetry = 10_000;

export const volumesStep: Step = {
  name: 'volumes',
  async run(work) {
    const stale = work.volumesStale || work.shared.context.clock.now() >= work.volumesDueAt;
    if (stale) work.volumesDueAt = Number.POSITIVE_INFINITY;
    work.volumesStale = false;
    let missing = false;
    for (const volume of work.pod.spec?.volumes ?? []) {
      const present = work.volumes.has(volume.name);
      try {
        if (present && !(stale && pluginOf(volume).updates)) continue;
        work.volumes.set(volume.name, await setUpVolume(work, volume));
        work.volumeBackoff.reset(volume.name);
      } catch (error) {
        work.volumesStale = true;
        if (!present) missing = true;
        if (error instanceof PullError) waitForImage(work, volume.name, error);
        else report(work, volume.name, error as Error);
      }
      if (work.signal.aborted) return 'wait';
    }
    // Earlier reasons to wake may have taken this one's place: it is asked for anew in each pass.
    if (Number.isFinite(work.volumesDueAt)) work.wakeAt(work.volumesDueAt);
    return missing ? 'wait' : 'go';
  },
};

/** Told of those that cannot start without it, as if it were their own. */
function waitForImage(work: Work, volume: string, { reason, message, retryAt }: PullError): void {
  const { containers = [], initContainers = [] } = work.pod.spec ?? {};
  for (const { name, volumeMounts } of [...initContainers, ...containers])
    if (volumeMounts?.some((mount) => mount.name === volume)) work.waiting.set(name, { reason, message });
  work.publish();
  work.wakeAt(retryAt ?? work.shared.context.clock.now() + noPullRetry);
}

function report(work: Work, volume: string, error: Error): void {
  const { clock, log } = work.shared.context;
  const until = work.volumeBackoff.untilSinceUpdate(volume);
  if (until === undefined) {
    const message = `MountVolume.SetUp failed for volume "${volume}" : ${error.message}`;
    log.warn({ pod: work.pod.metadata.name, volume, error: error.message }, 'cannot set up a volume');
    work.event('Warning', 'FailedMount', message);
    work.volumeBackoff.next(volume, clock.now());
  }
  work.wakeAt(until ?? clock.now() + work.volumeBackoff.get(volume));
}
