/** The pod's conditions: what is ready, what is not, and which containers are to blame. */
import { formatTime } from '../machinery/index.ts';
import type { ContainerStatus, Pod, PodCondition } from './kinds.ts';
import type { Phase } from './phase.ts';
import { isSidecar } from './resources.ts';

type Bare = Pick<PodCondition, 'status' | 'reason' | 'message'>;

export interface ConditionInput {
  pod: Pod;
  phase: Phase;
  statuses: readonly ContainerStatus[];
  /** The sandbox is there and has its address. */
  sandboxReady: boolean;
  now: number;
  /** What was told before: a condition that stays the same keeps its time. */
  before: readonly PodCondition[];
}

export function podConditions(input: ConditionInput): PodCondition[] {
  const containersReady = containersReadyCondition(input);
  const told: [string, Bare][] = [
    ['PodReadyToStartContainers', { status: input.sandboxReady ? 'True' : 'False' }],
    ['Initialized', initializedCondition(input)],
    ['Ready', readyCondition(input, containersReady)],
    ['ContainersReady', containersReady],
  ];
  const scheduled = input.before.find(({ type }) => type === 'PodScheduled');
  told.push([
    'PodScheduled',
    { status: 'True', ...(scheduled?.status === 'True' && scheduled.reason && { reason: scheduled.reason }) },
  ]);
  const generation = input.pod.metadata.generation;
  return told.map(([type, bare]) => {
    const old = input.before.find((condition) => condition.type === type);
    return {
      type,
      status: bare.status,
      ...(bare.reason && { reason: bare.reason }),
      ...(bare.message && { message: bare.message }),
      ...(generation !== undefined && { observedGeneration: generation }),
      lastProbeTime: null as unknown as string,
      lastTransitionTime:
        old?.status === bare.status && old.lastTransitionTime ? old.lastTransitionTime : formatTime(input.now),
    };
  });
}

const list = (names: string[]) => `[${names.join(' ')}]`;

function blame(unknown: string[], named: string[], adjective: string): string {
  return [
    unknown.length > 0 ? `containers with unknown status: ${list(unknown)}` : '',
    named.length > 0 ? `containers with ${adjective} status: ${list(named)}` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

function containersReadyCondition({ pod, phase, statuses }: ConditionInput): Bare {
  const unknown: string[] = [];
  const unready: string[] = [];
  const counted = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])];
  for (const { name } of counted) {
    const status = statuses.find((each) => each.name === name);
    if (!status) unknown.push(name);
    else if (!status.ready) unready.push(name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const message = blame(unknown, unready, 'unready');
  return message ? { status: 'False', reason: 'ContainersNotReady', message } : { status: 'True' };
}

function readyCondition({ pod, before }: ConditionInput, containersReady: Bare): Bare {
  if (containersReady.status !== 'True') return containersReady;
  const missing: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const gate = before.find(({ type }) => type === conditionType);
    if (!gate) missing.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (gate.status !== 'True') {
      missing.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`);
    }
  }
  if (missing.length === 0) return { status: 'True' };
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: missing.join(', ') };
}

function initializedCondition({ pod, phase, statuses }: ConditionInput): Bare {
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of pod.spec?.initContainers ?? []) {
    const status = statuses.find(({ name }) => name === container.name);
    if (!status) unknown.push(container.name);
    else if (isSidecar(container) ? !status.started : !status.ready) incomplete.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  if (anyAppStarted(pod, statuses)) return { status: 'True' };
  const message = blame(unknown, incomplete, 'incomplete');
  return message ? { status: 'False', reason: 'ContainersNotInitialized', message } : { status: 'True' };
}

export function anyAppStarted(pod: Pod, statuses: readonly ContainerStatus[]): boolean {
  return (pod.spec?.containers ?? []).some(({ name }) => {
    const status = statuses.find((each) => each.name === name);
    return Boolean(
      status?.started || status?.state?.running || status?.state?.terminated || status?.lastState?.terminated,
    );
  });
}
