/** The pod's phase, from the states of its containers. */
import type { Container, ContainerStatus, Pod } from './kinds.ts';
import { isSidecar } from './resources.ts';
import { shouldRestart } from './restart.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** `terminal`: the pod is being ended, so nothing will be started again. */
export function phaseOf(
  pod: Pod,
  statuses: readonly ContainerStatus[],
  terminal: boolean,
  initialized: boolean,
): Phase {
  const byName = new Map(statuses.map((status) => [status.name, status]));
  const inits = pod.spec?.initContainers ?? [];
  const init = countInit(
    pod,
    inits.filter((each) => !isSidecar(each)),
    byName,
  );
  if (init.failed) return 'Failed';
  const sidecars = countSidecars(inits.filter(isSidecar), byName);
  const apps = countApps(pod, byName);
  const waiting = sidecars.waiting + apps.waiting;
  const running = sidecars.running + apps.running;
  const unknown = sidecars.unknown + apps.unknown;
  if (init.pending > 0 || (sidecars.pending > 0 && !initialized) || waiting > 0) return 'Pending';
  if (running > 0 && unknown === 0) return 'Running';
  if (running > 0 || apps.stopped === 0 || unknown > 0) return 'Pending';
  if (!terminal && apps.stopped !== apps.final) return 'Running';
  return apps.stopped === apps.succeeded ? 'Succeeded' : 'Failed';
}

/** How a container ended, whether it shows as ended or as waiting for its next start. */
function ended(status: ContainerStatus): number | undefined {
  return (status.state?.terminated ?? (status.state?.waiting && status.lastState?.terminated))?.exitCode;
}

function countInit(pod: Pod, inits: Container[], byName: Map<string, ContainerStatus>) {
  let pending = 0;
  let failed = false;
  for (const container of inits) {
    const status = byName.get(container.name);
    const code = status && ended(status);
    if (code === undefined) pending++;
    else if (code !== 0 && !shouldRestart(pod, container, code)) failed = true;
    else if (code !== 0) pending++;
  }
  return { pending, failed };
}

function countSidecars(sidecars: Container[], byName: Map<string, ContainerStatus>) {
  const count = { pending: 0, waiting: 0, running: 0, unknown: 0 };
  for (const container of sidecars) {
    const status = byName.get(container.name);
    if (!status) count.unknown++;
    else if (status.state?.running) {
      count.running++;
      if (!status.started) count.pending++;
    } else if (ended(status) === undefined) {
      count.pending++;
      count.waiting++;
    }
  }
  return count;
}

function countApps(pod: Pod, byName: Map<string, ContainerStatus>) {
  const count = { waiting: 0, running: 0, unknown: 0, stopped: 0, final: 0, succeeded: 0 };
  for (const container of pod.spec?.containers ?? []) {
    const status = byName.get(container.name);
    const code = status && ended(status);
    if (!status) count.unknown++;
    else if (status.state?.running) count.running++;
    else if (code === undefined) count.waiting++;
    else {
      count.stopped++;
      if (!shouldRestart(pod, container, code)) count.final++;
      if (status.state?.terminated && code === 0) count.succeeded++;
    }
  }
  return count;
}
