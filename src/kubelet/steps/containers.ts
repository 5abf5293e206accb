/** Brings the pod's sandbox and containers to what the plan says. */
import { killContainer } from '../kill.ts';
import { type Plan, planPod } from '../plan.ts';
import { resizeContainers } from '../resize.ts';
import type { SandboxStatus } from '../runtime/runtime.ts';
import { startContainer } from '../startcontainer.ts';
import { readySandbox } from '../truth.ts';
import type { Step, Work } from '../work.ts';
import { makeSandbox } from '../sandbox.ts';
import { removeOldContainers } from '../leftovers.ts';

export const containersStep: Step = {
  name: 'containers',
  async run(work) {
    const plan = planPod(work.pod, work.truth, work.probes);
    if (plan.finished) {
      work.finish();
      return 'wait';
    }
    await endUnwanted(work, plan);
    const sandbox = plan.sandbox ?? (await makeSandbox(work, plan.newSandbox?.attempt ?? 0));
    if (!sandbox || work.signal.aborted) return 'wait';
    await startWanted(work, plan, sandbox);
    await resizeContainers(work);
    await removeOldContainers(work);
    return 'go';
  },
};

async function endUnwanted(work: Work, plan: Plan): Promise<void> {
  await Promise.all(
    plan.kill.map(({ status, container, message, probe }) => {
      // The next one gets the back-off of a container that failed.
      return killContainer(work, status, container, { message, probe });
    }),
  );
}

async function startWanted(work: Work, plan: Plan, sandbox: SandboxStatus): Promise<void> {
  for (const start of plan.start) {
    if (work.signal.aborted || readySandbox(work.truth)?.id !== sandbox.id) return;
    const runs = await startContainer(work, start, sandbox);
    // An init container is followed by the next one only when this one is done or, for a sidecar, started.
    if (start.kind === 'init' && runs && plan.start.length === 1) work.again();
  }
}
