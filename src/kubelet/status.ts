/** The pod's status, made from what the runtime holds; pure. */
import { formatTime } from '../machinery/index.ts';
import { anyAppStarted, podConditions } from './conditions.ts';
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from './kinds.ts';
import { phaseOf } from './phase.ts';
import { isSidecar, qosClass } from './resources.ts';
import { shouldRestart } from './restart.ts';
import type { ContainerStatus as RuntimeStatus } from './runtime/runtime.ts';
import { type PodTruth, anyRunning, lastExited, latest, readySandbox } from './truth.ts';

export interface StatusInput {
  pod: Pod;
  truth: PodTruth;
  /** `oci`, `process`, `sim`: the scheme of container ids. */
  runtimeName: string;
  hostIPs: readonly string[];
  now: number;
  /** The pod is being ended: nothing starts again. */
  terminal: boolean;
  /** Set when the node ended or refused the pod. */
  verdict?: { reason: string; message: string };
  /** Why a container does not run, by its name. */
  waiting: ReadonlyMap<string, { reason: string; message: string }>;
  /** Containers whose postStart hook is still at work, by id. */
  hooking: ReadonlySet<string>;
  /** What containers left as their last words, by id. */
  messages: ReadonlyMap<string, string>;
  started(container: Container, id: string): boolean;
  ready(container: Container, id: string): boolean;
  /** The status that was told last. */
  before: PodStatus;
}

export function podStatus(input: StatusInput): PodStatus {
  const { pod, truth, before } = input;
  const inits = containerStatuses(input, pod.spec?.initContainers ?? [], true);
  const apps = containerStatuses(input, pod.spec?.containers ?? [], false);
  const ephemeral = containerStatuses(input, (pod.spec?.ephemeralContainers ?? []) as Container[], false);
  const all = [...inits, ...apps];
  const phase = decidePhase(input, all);
  const sandbox = readySandbox(truth);
  const ips = pod.spec?.hostNetwork
    ? truth.sandboxes.length > 0
      ? [...input.hostIPs]
      : []
    : (truth.sandboxes[0]?.ips ?? before.podIPs?.map(({ ip }) => ip) ?? []);
  const verdict =
    phase === 'Failed' || input.verdict
      ? (input.verdict ?? { reason: before.reason ?? '', message: before.message ?? '' })
      : undefined;
  return {
    phase,
    ...(pod.metadata.generation !== undefined && { observedGeneration: pod.metadata.generation }),
    conditions: podConditions({
      pod,
      phase,
      statuses: all,
      sandboxReady: sandbox !== undefined,
      now: input.now,
      before: before.conditions ?? [],
    }),
    ...(verdict?.reason && { reason: verdict.reason }),
    ...(verdict?.message && { message: verdict.message }),
    ...(input.hostIPs[0] && { hostIP: input.hostIPs[0], hostIPs: input.hostIPs.map((ip) => ({ ip })) }),
    ...(ips[0] && { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: before.startTime ?? formatTime(input.now),
    ...(inits.length > 0 && { initContainerStatuses: inits }),
    ...(apps.length > 0 && { containerStatuses: apps }),
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    qosClass: before.qosClass ?? qosClass(pod),
  };
}

function decidePhase(input: StatusInput, statuses: ContainerStatus[]): 'Pending' | 'Running' | 'Succeeded' | 'Failed' {
  const { before, truth } = input;
  if (before.phase === 'Failed' || before.phase === 'Succeeded') return before.phase;
  const initialized = anyAppStarted(input.pod, statuses);
  const phase = phaseOf(input.pod, statuses, input.terminal, initialized);
  const ending = input.verdict ? 'Failed' : phase;
  // An end is told only once nothing runs any more: who waits for it may count on it.
  if ((ending === 'Failed' || ending === 'Succeeded') && anyRunning(truth))
    return before.phase === 'Pending' ? 'Pending' : 'Running';
  return ending;
}

function containerStatuses(input: StatusInput, containers: Container[], init: boolean): ContainerStatus[] {
  return containers
    .map((container) => containerStatus(input, container, init))
    .toSorted((a, b) => (init ? 0 : a.name < b.name ? -1 : 1));
}

function containerStatus(input: StatusInput, container: Container, init: boolean): ContainerStatus {
  const { pod, truth } = input;
  const current = latest(truth, container.name);
  const hasInit = (pod.spec?.initContainers?.length ?? 0) > 0;
  const base = {
    name: container.name,
    image: current?.image ?? container.image ?? '',
    imageID: current?.imageId ?? '',
    restartCount: current?.metadata.attempt ?? 0,
    ...(container.resources &&
      (container.resources.limits || container.resources.requests) && {
        resources: container.resources,
        ...(container.resources.requests && { allocatedResources: container.resources.requests }),
      }),
    ...mountStatuses(container),
  };
  if (!current) {
    const waiting = input.waiting.get(container.name) ?? defaultWaiting(input, container, init, hasInit);
    const lost = lostState(input, container);
    return {
      ...base,
      ...lost.counts,
      state: lost.state ?? { waiting: plain(waiting) },
      lastState: {},
      ready: false,
      started: false,
    };
  }
  const state = stateOf(input, container, current, init, hasInit);
  const previous = state.waiting && current.state === 'Exited' ? current : lastExited(truth, container.name, current);
  const running = state.running !== undefined;
  const done = init && !isSidecar(container);
  const started = running && (done || input.started(container, current.id));
  return {
    ...base,
    containerID: idOf(input, current),
    state,
    lastState: previous ? { terminated: terminatedState(input, previous) } : {},
    ready: done ? state.terminated?.exitCode === 0 : started && input.ready(container, current.id),
    started: done ? false : started,
  };
}

function defaultWaiting(
  input: StatusInput,
  _container: Container,
  init: boolean,
  hasInit: boolean,
): { reason: string; message: string } {
  if (input.terminal && input.verdict && input.truth.sandboxes.length === 0)
    return { reason: 'ContainerCreating', message: '' };
  return { reason: hasInit ? 'PodInitializing' : init ? 'PodInitializing' : 'ContainerCreating', message: '' };
}

/** A container that ran when we last looked and of which the runtime knows nothing now. */
function lostState(
  input: StatusInput,
  container: Container,
): { state?: ContainerState; counts?: { restartCount: number } } {
  const all = [...(input.before.containerStatuses ?? []), ...(input.before.initContainerStatuses ?? [])];
  const old = all.find(({ name }) => name === container.name);
  if (!old) return {};
  if (
    old.state?.terminated &&
    (input.terminal || !shouldRestart(input.pod, container, old.state.terminated.exitCode))
  ) {
    return { state: old.state, counts: { restartCount: old.restartCount } };
  }
  if (!old.state?.running || !input.terminal) return { counts: { restartCount: old.restartCount } };
  const message = 'The container could not be located when the pod was terminated';
  const terminated = { reason: 'ContainerStatusUnknown', message, exitCode: 137 };
  return { state: { terminated }, counts: { restartCount: old.restartCount } };
}

function stateOf(
  input: StatusInput,
  container: Container,
  current: RuntimeStatus,
  init: boolean,
  hasInit: boolean,
): ContainerState {
  const creating = {
    waiting: plain(input.waiting.get(container.name) ?? defaultWaiting(input, container, init, hasInit)),
  };
  if (current.state === 'Running') {
    if (input.hooking.has(current.id)) return creating;
    return { running: { startedAt: formatTime(current.startedAt) } };
  }
  if (current.state !== 'Exited') return creating;
  const waiting = input.waiting.get(container.name);
  if (
    waiting &&
    !input.terminal &&
    (shouldRestart(input.pod, container, current.exitCode) || !readySandbox(input.truth))
  ) {
    return { waiting: plain(waiting) };
  }
  return { terminated: terminatedState(input, current) };
}

function plain({ reason, message }: { reason: string; message: string }): { reason: string; message?: string } {
  return message === '' ? { reason } : { reason, message };
}

function idOf(input: StatusInput, status: RuntimeStatus): string {
  return `${input.runtimeName}://${status.id}`;
}

function terminatedState(input: StatusInput, status: RuntimeStatus): NonNullable<ContainerState['terminated']> {
  const message = input.messages.get(status.id) || status.message;
  return {
    exitCode: status.exitCode,
    reason: status.reason || (status.exitCode === 0 ? 'Completed' : 'Error'),
    ...(message && { message }),
    ...(status.startedAt > 0 && { startedAt: formatTime(status.startedAt) }),
    ...(status.finishedAt > 0 && { finishedAt: formatTime(status.finishedAt) }),
    containerID: idOf(input, status),
  };
}

function mountStatuses(container: Container): Pick<ContainerStatus, 'volumeMounts'> {
  if (!container.volumeMounts?.length) return {};
  return {
    volumeMounts: container.volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly && { readOnly, recursiveReadOnly: 'Disabled' }),
    })),
  };
}
