/** Ends containers as their grace allows: preStop hook, stop signal, kill; sidecars after the others. */
import type { Container, Pod } from './kinds.ts';
import { findContainer } from './plan.ts';
import { runHandler } from './probes/index.ts';
import { isSidecar } from './resources.ts';
import type { ContainerStatus } from './runtime/runtime.ts';
import type { Work } from './work.ts';

/** What is left for the program after its preStop hook took all of its time, in seconds. */
const minimumGrace = 2;

export interface KillOptions {
  /** Told in the event; `Stopping container <name>` by default. */
  message?: string;
  /** Seconds. */
  grace?: number;
  probe?: 'liveness' | 'startup';
}

export async function killContainer(
  work: Work,
  status: ContainerStatus,
  container: Container | undefined,
  options: KillOptions,
): Promise<void> {
  const { runtime, clock, log } = work.shared.context;
  if (status.state === 'Exited') return;
  const name = status.metadata.name;
  work.event('Normal', 'Killing', options.message ?? `Stopping container ${name}`, container ?? { name });
  const grace = options.grace ?? graceOf(work.pod, container, options.probe);
  const began = clock.monotonic();
  if (grace > 0 && status.state === 'Running') await preStop(work, status, container, grace);
  const spent = (clock.monotonic() - began) / 1000;
  const left = grace <= 0 ? 0 : Math.max(minimumGrace, grace - spent);
  await runtime.stopContainer(status.id, left * 1000);
  log.debug({ pod: work.pod.metadata.name, container: name }, 'container stopped');
  await work.touchContainer(status.id);
}

function graceOf(pod: Pod, container: Container | undefined, probe: 'liveness' | 'startup' | undefined): number {
  const own =
    probe === 'liveness' ? container?.livenessProbe : probe === 'startup' ? container?.startupProbe : undefined;
  return own?.terminationGracePeriodSeconds ?? podGrace(pod);
}

/** Seconds; what the deletion asked for, else what the pod says; at least 1. */
export function podGrace(pod: Pod): number {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  const wanted = deletionTimestamp !== undefined ? deletionGracePeriodSeconds : undefined;
  return Math.max(1, wanted ?? pod.spec?.terminationGracePeriodSeconds ?? 30);
}

async function preStop(
  work: Work,
  status: ContainerStatus,
  container: Container | undefined,
  grace: number,
): Promise<void> {
  const hook = container?.lifecycle?.preStop;
  if (!hook || !container) return;
  const { runtime, clock } = work.shared.context;
  const host = work.facts().podIPs[0] ?? '127.0.0.1';
  try {
    const target = { runtime, clock, container, containerId: status.id, host };
    const outcome = await runHandler(hook, target, grace * 1000, work.killSignal);
    if (outcome.ok) return;
  } catch (error) {
    work.shared.context.log.warn({ container: container.name, error: String(error) }, 'preStop hook failed');
  }
  work.event('Warning', 'FailedPreStopHook', 'PreStopHook failed', container);
}

/** Ends all that runs in a pod; app and init containers together, then sidecars, the last started first. */
export async function killPod(work: Work, grace?: () => number): Promise<void> {
  const alive = work.truth.containers.filter(({ state }) => state === 'Running' || state === 'Created');
  const { clock } = work.shared.context;
  const began = clock.monotonic();
  const sidecars = (work.pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  const end = (status: ContainerStatus) => {
    const total = grace?.() ?? podGrace(work.pod);
    const left = Math.max(0, total - (clock.monotonic() - began) / 1000);
    return killContainer(work, status, findContainer(work.pod, status.metadata.name), {
      grace: total === 0 ? 0 : Math.max(left, 1),
    });
  };
  await Promise.all(alive.filter(({ metadata }) => !sidecars.includes(metadata.name)).map(end));
  for (const name of sidecars.toReversed()) {
    await Promise.all(alive.filter(({ metadata }) => metadata.name === name).map(end));
  }
}
