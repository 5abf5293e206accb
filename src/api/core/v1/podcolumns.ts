/** How `kubectl get pods` shows a Pod. */
import type { Column } from '../../kind.ts';
import { age, ageColumn, nameColumn, orNone, text, wide } from '../../columns.ts';
import type { ContainerStatus, Pod } from '../../gen/types.ts';

export interface PodSummary {
  ready: number;
  total: number;
  /** The STATUS column. */
  reason: string;
  restarts: number;
  /** When a container was last restarted, RFC 3339; '' when none was. */
  lastRestart: string;
}

/** What the READY, STATUS and RESTARTS columns say. */
export function summarise(pod: Pod): PodSummary {
  const { status = {}, spec } = pod;
  const sidecars = new Set(
    (spec.initContainers ?? [])
      .filter((container) => container.restartPolicy === 'Always')
      .map((container) => container.name),
  );
  const summary: PodSummary = {
    ready: 0,
    total: (spec.containers?.length ?? 0) + sidecars.size,
    reason: status.reason || status.phase || '',
    restarts: 0,
    lastRestart: '',
  };
  if (
    status.conditions?.some((condition) => condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated')
  )
    summary.reason = 'SchedulingGated';
  const sidecarRestarts = { restarts: 0, lastRestart: '' };
  const initializing = summariseInit(pod, sidecars, summary, sidecarRestarts);
  if (!initializing || isTrue(pod, 'Initialized')) {
    Object.assign(summary, sidecarRestarts);
    summariseMain(pod, summary);
  }
  if (pod.metadata.deletionTimestamp) {
    if (status.reason === 'NodeLost') summary.reason = 'Unknown';
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') summary.reason = 'Terminating';
  }
  return summary;
}

const isTrue = (pod: Pod, type: string) =>
  pod.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

type Restarts = Pick<PodSummary, 'restarts' | 'lastRestart'>;

function countRestarts(status: ContainerStatus, into: Restarts): void {
  into.restarts += status.restartCount;
  const finished = status.lastState?.terminated?.finishedAt ?? '';
  if (finished > into.lastRestart) into.lastRestart = finished;
}

/** Whether an init container is still under way, or failed; the reason says which. */
function summariseInit(
  pod: Pod,
  sidecars: ReadonlySet<string>,
  summary: PodSummary,
  sidecarRestarts: Restarts,
): boolean {
  for (const [i, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = sidecars.has(status.name);
    countRestarts(status, summary);
    if (sidecar) countRestarts(status, sidecarRestarts);
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && status.started) {
      if (status.ready) summary.ready++;
      continue;
    }
    if (terminated) summary.reason = `Init:${terminatedReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') summary.reason = `Init:${waiting.reason}`;
    else summary.reason = `Init:${i}/${pod.spec.initContainers?.length ?? 0}`;
    return true;
  }
  return false;
}

function terminatedReason({
  reason,
  signal,
  exitCode,
}: {
  reason?: string;
  signal?: number;
  exitCode: number;
}): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

function summariseMain(pod: Pod, summary: PodSummary): void {
  let running = false;
  let failure = '';
  for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
    countRestarts(status, summary);
    const { terminated, waiting } = status.state ?? {};
    if (waiting?.reason) summary.reason = waiting.reason;
    else if (terminated) {
      summary.reason = terminatedReason(terminated);
      if (terminated.exitCode !== 0) failure = summary.reason;
    } else if (status.ready && status.state?.running) {
      running = true;
      summary.ready++;
    }
  }
  if (summary.reason !== 'Completed') return;
  if (running && isTrue(pod, 'Ready')) summary.reason = 'Running';
  else if (failure !== '') summary.reason = failure;
  else if (running) summary.reason = 'NotReady';
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  return gates.length === 0
    ? '<none>'
    : `${gates.filter((gate) => isTrue(pod, gate.conditionType)).length}/${gates.length}`;
}

export const podColumns: readonly Column<any>[] = [
  nameColumn,
  text<Pod>('Ready', (pod) => {
    const { ready, total } = summarise(pod);
    return `${ready}/${total}`;
  }),
  text<Pod>('Status', (pod) => summarise(pod).reason),
  text<Pod>('Restarts', (pod, now) => {
    const { restarts, lastRestart } = summarise(pod);
    return restarts > 0 && lastRestart !== '' ? `${restarts} (${age(lastRestart, now)} ago)` : `${restarts}`;
  }),
  ageColumn,
  wide<Pod>('IP', (pod) => orNone(pod.status?.podIPs?.[0]?.ip)),
  wide<Pod>('Node', (pod) => orNone(pod.spec.nodeName)),
  wide<Pod>('Nominated Node', (pod) => orNone(pod.status?.nominatedNodeName)),
  wide<Pod>('Readiness Gates', readinessGates),
];
