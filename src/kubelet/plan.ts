/**
 * Decides what a pod needs next, from its specification and what runs: a pure function, so that the same world gives the
 * same plan, whether we watched it happen or have just been started.
 */
import type { Container, Pod } from './kinds.ts';
import { containerHash } from './labels.ts';
import { isSidecar } from './resources.ts';
import { shouldRestart } from './restart.ts';
import type { ContainerStatus, SandboxStatus } from './runtime/runtime.ts';
import { type PodTruth, hashOf, latest, readySandbox } from './truth.ts';

export type ContainerKind = 'init' | 'app' | 'ephemeral';

export interface Start {
  container: Container;
  kind: ContainerKind;
}

export interface Kill {
  status: ContainerStatus;
  container: Container;
  message: string;
  /** Which probe asked for it; its own grace period may apply. */
  probe?: 'liveness' | 'startup';
}

export interface Plan {
  /** Nothing is left to run: what remains (sidecars, the sandbox) is to be ended. */
  finished: boolean;
  /** The sandbox has to be made (again); its attempt. */
  newSandbox?: { attempt: number };
  sandbox?: SandboxStatus;
  kill: Kill[];
  start: Start[];
}

/** What probes and hooks say of a container, by its id. */
export interface Health {
  /** The startup probe (if any) succeeded and the postStart hook (if any) is done. */
  started(container: Container, id: string): boolean;
  /** The probe that failed often enough to end the container. */
  failed(id: string): 'liveness' | 'startup' | undefined;
}

export function planPod(pod: Pod, truth: PodTruth, health: Health): Plan {
  const sandbox = readySandbox(truth);
  if (!sandbox) return planNewSandbox(pod, truth);
  const plan: Plan = { finished: false, sandbox, kill: [], start: [] };
  for (const each of pod.spec?.ephemeralContainers ?? []) {
    const container = each as Container;
    if (!latest(truth, container.name)) plan.start.push({ container, kind: 'ephemeral' });
  }
  const ran = hasRun(pod, truth, sandbox.id);
  const apps: Plan = { ...plan, kill: [], start: [] };
  const kept = planApps(pod, truth, sandbox.id, health, apps);
  if (ran && kept === 0 && apps.start.length === 0) return { ...plan, finished: true, kill: [], start: [] };
  const init = planInit(pod, truth, sandbox.id, health, plan, ran);
  if (init === 'failed') return { ...plan, finished: true, kill: [], start: [] };
  if (init === 'done') {
    plan.kill.push(...apps.kill);
    plan.start.push(...apps.start);
  }
  return plan;
}

function hasRun(pod: Pod, truth: PodTruth, sandboxId: string): boolean {
  return (pod.spec?.containers ?? []).some(({ name }) => {
    const status = latest(truth, name, sandboxId);
    return status !== undefined && status.state !== 'Created';
  });
}

function planNewSandbox(pod: Pod, truth: PodTruth): Plan {
  const [newest] = truth.sandboxes;
  const attempt = newest ? newest.config.metadata.attempt + 1 : 0;
  const kill = truth.containers
    .filter(({ state }) => state === 'Running' || state === 'Created')
    .map((status) => ({
      status,
      container: findContainer(pod, status.metadata.name) ?? { name: status.metadata.name },
      message: 'Pod sandbox changed, it will be killed and re-created.',
    }));
  const again = (pod.spec?.containers ?? []).filter((container) =>
    wanted(pod, container, latest(truth, container.name)),
  );
  const failedInit = (pod.spec?.initContainers ?? []).some((container) => {
    const status = latest(truth, container.name);
    return (
      !isSidecar(container) &&
      status?.state === 'Exited' &&
      status.exitCode !== 0 &&
      !shouldRestart(pod, container, status.exitCode)
    );
  });
  if (again.length === 0 || failedInit) return { finished: true, kill: [], start: [] };
  return { finished: false, newSandbox: { attempt }, kill, start: firstStarts(pod, again) };
}

/** In a new sandbox all init containers run again, one after the other. */
function firstStarts(pod: Pod, apps: Container[]): Start[] {
  const [first] = pod.spec?.initContainers ?? [];
  return first ? [{ container: first, kind: 'init' }] : apps.map((container) => ({ container, kind: 'app' }));
}

/** Whether this container should run (again), given its newest status. */
function wanted(pod: Pod, container: Container, status: ContainerStatus | undefined): boolean {
  if (!status || status.state !== 'Exited') return true;
  return shouldRestart(pod, container, status.exitCode);
}

function planInit(
  pod: Pod,
  truth: PodTruth,
  sandboxId: string,
  health: Health,
  plan: Plan,
  ran: boolean,
): 'done' | 'waiting' | 'failed' {
  for (const container of pod.spec?.initContainers ?? []) {
    const status = latest(truth, container.name, sandboxId);
    if (isSidecar(container)) {
      const started = planSidecar(container, status, health, plan);
      if (!started && !ran) return 'waiting';
      continue;
    }
    if (ran || (status?.state === 'Exited' && status.exitCode === 0)) continue;
    if (status?.state === 'Exited' && !shouldRestart(pod, container, status.exitCode)) return 'failed';
    if (status?.state === 'Running') {
      if (hashOf(status) === undefined || hashOf(status) === containerHash(container)) return 'waiting';
      plan.kill.push({ status, container, message: `Init container ${container.name} definition changed` });
    }
    plan.start.push({ container, kind: 'init' });
    return 'waiting';
  }
  return 'done';
}

function planSidecar(container: Container, status: ContainerStatus | undefined, health: Health, plan: Plan): boolean {
  if (status?.state === 'Running') {
    const reason = whyKill(container, status, health, 'Init container');
    if (!reason) return health.started(container, status.id);
    plan.kill.push({ status, container, ...reason });
  }
  plan.start.push({ container, kind: 'init' });
  return false;
}

/** Returns how many app containers go on as they are. */
function planApps(pod: Pod, truth: PodTruth, sandboxId: string, health: Health, plan: Plan): number {
  let kept = 0;
  for (const container of pod.spec?.containers ?? []) {
    const status = latest(truth, container.name, sandboxId);
    if (status?.state !== 'Running') {
      // A container that ended in an earlier sandbox and must not run twice stays as it is.
      if (wanted(pod, container, status ?? latest(truth, container.name))) plan.start.push({ container, kind: 'app' });
      continue;
    }
    const reason = whyKill(container, status, health, 'Container');
    if (!reason) {
      kept++;
      continue;
    }
    plan.kill.push({ status, container, ...reason });
    const changed = reason.probe === undefined;
    if (changed || shouldRestart(pod, container, 137)) plan.start.push({ container, kind: 'app' });
    else kept++;
  }
  return kept;
}

function whyKill(
  container: Container,
  status: ContainerStatus,
  health: Health,
  what: string,
): { message: string; probe?: 'liveness' | 'startup' } | undefined {
  const hash = hashOf(status);
  if (hash !== undefined && hash !== containerHash(container)) {
    return { message: `${what} ${container.name} definition changed, will be restarted` };
  }
  const probe = health.failed(status.id);
  return probe && { message: `${what} ${container.name} failed ${probe} probe, will be restarted`, probe };
}

export function findContainer(pod: Pod, name: string): Container | undefined {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...(ephemeralContainers as Container[])].find((each) => each.name === name);
}
