/** `activeDeadlineSeconds`: the longest that a pod may be active. */
import type { Step } from '../work.ts';

export const deadlineStep: Step = {
  name: 'deadline',
  async run(work) {
    const seconds = work.pod.spec?.activeDeadlineSeconds;
    const began = work.startTime();
    if (seconds === undefined || began === undefined) return 'go';
    const end = began + seconds * 1000;
    if (work.shared.context.clock.now() < end) {
      work.wakeAt(end);
      return 'go';
    }
    const message = 'Pod was active on the node longer than the specified deadline';
    work.event('Warning', 'DeadlineExceeded', message);
    work.fail('DeadlineExceeded', message);
    return 'wait';
  },
};
