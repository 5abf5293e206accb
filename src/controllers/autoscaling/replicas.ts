/** How many replicas a measure asks for. Pure: what is measured and what there is comes in. */
import type { Container, Pod } from '../../api/index.ts';
import { quantityMilliValue } from '../../machinery/index.ts';
import { isReady } from '../pods.ts';
import type { PodMetrics } from './usage.ts';

export interface Tolerances {
  /** Fractions: within them nothing is changed. */
  readonly scaleDown: number;
  readonly scaleUp: number;
}

export interface Proposal {
  readonly replicas: number;
  /** The average over pods, in thousandths. */
  readonly average: number;
  /** Percent of what was requested. */
  readonly utilization?: number;
}

export interface Situation {
  readonly current: number;
  readonly pods: readonly Pod[];
  readonly tolerances: Tolerances;
  readonly now: number;
}

/** As upstream: how long after its start what a pod uses says little, and how late it may first become ready. */
const cpuInitialization = 5 * 60_000;
const initialReadiness = 30_000;

const mostReplicas = 2 ** 31 - 1;

function isWithin({ scaleDown, scaleUp }: Tolerances, ratio: number): boolean {
  return 1 - scaleDown <= ratio && ratio <= 1 + scaleUp;
}

/** By the share of their requests that pods use. `target` in percent. */
export function byUtilization(
  situation: Situation,
  metrics: PodMetrics,
  target: number,
  resource: string,
  container: string | undefined,
): Proposal {
  const { pods } = situation;
  const groups = group(situation, metrics, resource);
  const requests = new Map(pods.map((pod) => [pod.metadata.name!, requestOf(pod, container, resource)]));
  const measure = () => {
    let [used, asked] = [0, 0];
    for (const [name, { value }] of metrics) {
      const request = requests.get(name);
      if (request === undefined) continue;
      used += value;
      asked += request;
    }
    if (asked === 0) throw new Error('no metrics returned matched known pods');
    const utilization = Math.trunc((used * 100) / asked);
    return { ratio: utilization / target, utilization, average: Math.trunc(used / metrics.size) };
  };
  const missing = (name: string) => Math.trunc((requests.get(name)! * Math.max(100, target)) / 100);
  const first = measure();
  return { ...first, replicas: decide(situation, metrics, groups, () => measure().ratio, first.ratio, missing) };
}

/** By the average that pods use, in thousandths. */
export function byAverage(
  situation: Situation,
  metrics: PodMetrics,
  target: number,
  resource: string | undefined,
): Proposal {
  const groups = group(situation, metrics, resource);
  const measure = () => {
    let used = 0;
    for (const { value } of metrics.values()) used += value;
    const average = Math.trunc(used / metrics.size);
    return { ratio: average / target, average };
  };
  const first = measure();
  return {
    ...first,
    replicas: decide(
      situation,
      metrics,
      groups,
      () => measure().ratio,
      first.ratio,
      () => target,
    ),
  };
}

/** By the value of something that all pods work on together. */
export function byValue({ current, pods, tolerances }: Situation, usage: number, target: number): Proposal {
  const ratio = usage / target;
  if (current === 0) return { replicas: Math.ceil(ratio), average: usage };
  if (isWithin(tolerances, ratio)) return { replicas: current, average: usage };
  if (pods.length === 0)
    throw new Error('unable to calculate ready pods: no pods returned by selector while calculating replica count');
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length;
  return { replicas: Math.min(mostReplicas, Math.ceil(ratio * ready)), average: usage };
}

/** By a value of which each pod is to have its share. `replicas`: how many there are. */
export function byShare(replicas: number, tolerances: Tolerances, usage: number, target: number): Proposal {
  const ratio = usage / (target * replicas);
  const average = Math.ceil(usage / replicas);
  if (isWithin(tolerances, ratio)) return { replicas, average };
  return { replicas: Math.min(mostReplicas, Math.ceil(usage / target)), average };
}

interface Groups {
  ready: number;
  unready: readonly string[];
  missing: readonly string[];
}

/** Takes out of `metrics` what does not count. */
function group({ pods, now }: Situation, metrics: PodMetrics, resource: string | undefined): Groups {
  if (pods.length === 0) throw new Error('no pods returned by selector while calculating replica count');
  const unready: string[] = [];
  const missing: string[] = [];
  let ready = 0;
  for (const pod of pods) {
    const name = pod.metadata.name!;
    if (pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === 'Failed') metrics.delete(name);
    else if (pod.status?.phase === 'Pending') unready.push(name);
    else if (!metrics.has(name)) missing.push(name);
    else if (resource === 'cpu' && isWarmingUp(pod, metrics.get(name)!, now)) unready.push(name);
    else ready++;
  }
  for (const name of unready) metrics.delete(name);
  if (metrics.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  return { ready, unready, missing };
}

function isWarmingUp({ status }: Pod, metric: { timestamp: number; window: number }, now: number): boolean {
  const condition = status?.conditions?.find((one) => one.type === 'Ready');
  if (condition === undefined || status?.startTime === undefined) return true;
  const started = Date.parse(status.startTime);
  const changed = Date.parse(condition.lastTransitionTime ?? status.startTime);
  const unready = condition.status === 'False';
  if (started + cpuInitialization > now) return unready || metric.timestamp < changed + metric.window;
  return unready && started + initialReadiness > changed;
}

/**
 * Pods of which nothing is known are taken for what stands against a change: for busy when there would be fewer, for idle when there would be
 * more; so are those that are not ready when there would be more.
 */
function decide(
  { current, tolerances }: Situation,
  metrics: PodMetrics,
  { ready, unready, missing }: Groups,
  measure: () => number,
  ratio: number,
  busy: (name: string) => number,
): number {
  const upWithUnready = unready.length > 0 && ratio > 1;
  if (!upWithUnready && missing.length === 0) return isWithin(tolerances, ratio) ? current : Math.ceil(ratio * ready);
  const assume = (names: readonly string[], value: (name: string) => number) => {
    for (const name of names) metrics.set(name, { value: value(name), timestamp: 0, window: 0 });
  };
  if (ratio < 1) assume(missing, busy);
  else if (ratio > 1) assume(missing, () => 0);
  if (upWithUnready) assume(unready, () => 0);
  const then = measure();
  if (isWithin(tolerances, then) || (ratio < 1 && then > 1) || (ratio > 1 && then < 1)) return current;
  const replicas = Math.ceil(then * metrics.size);
  return (then < 1 && replicas > current) || (then > 1 && replicas < current) ? current : replicas;
}

/** In thousandths. */
function requestOf(pod: Pod, container: string | undefined, resource: string): number {
  const { name } = pod.metadata;
  const { containers, initContainers, resources } = pod.spec;
  if (container === undefined && Object.keys(resources?.requests ?? {}).length > 0) {
    const request = resources!.requests![resource];
    if (request !== undefined) return quantityMilliValue(request);
  }
  const all: Container[] = [...containers, ...(initContainers ?? []).filter((one) => one.restartPolicy === 'Always')];
  const meant = container === undefined ? all : all.filter((one) => one.name === container);
  if (meant.length === 0) throw new Error(`container ${container} not found in Pod ${name}`);
  return meant.reduce((sum, one) => {
    const request = one.resources?.requests?.[resource];
    if (request === undefined)
      throw new Error(`missing request for ${resource} in container ${one.name} of Pod ${name}`);
    return sum + quantityMilliValue(request);
  }, 0);
}
