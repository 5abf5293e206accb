/** The pod's volumes, all of them, before its sandbox; again when what they are made of has changed. */
import { setUpVolume } from '../volumes/index.ts';
import { pluginOf } from '../volumes/index.ts';
import type { Step, Work } from '../work.ts';

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
        report(work, volume.name, error as Error);
      }
      if (work.signal.aborted) return 'wait';
    }
    // Earlier reasons to wake may have taken this one's place: it is asked for anew in each pass.
    if (Number.isFinite(work.volumesDueAt)) work.wakeAt(work.volumesDueAt);
    return missing ? 'wait' : 'go';
  },
};

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
