/** Requests and limits as numbers: quality of service, CPU shares and quotas, memory, what fits on the node. */
import { quantityMilliValue } from '../machinery/index.ts';
import type { Container, Pod } from './kinds.ts';
import type { Resources } from './runtime/runtime.ts';

/** A quantity as a number of its base unit, to a thousandth; 0 when it is absent. */
export function quantityValue(quantity: string | number | undefined): number {
  return quantity === undefined ? 0 : quantityMilliValue(String(quantity)) / 1000;
}

type List = Record<string, string>;

export const milliCpu = (list: List | undefined): number => Math.ceil(quantityValue(list?.cpu) * 1000);
export const memoryBytes = (list: List | undefined): number => Math.ceil(quantityValue(list?.memory));

/** A container's limit where it has one, else its request; what the scheduler counts. */
export function requestsOf(container: Container): List {
  return { ...container.resources?.limits, ...container.resources?.requests };
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** What the pod takes on the node: the larger of its initialisation and its run, sidecars included, with overhead. */
export function podRequests(pod: Pod): Record<string, number> {
  const sum: Record<string, number> = {};
  const add = (into: Record<string, number>, list: List | undefined) => {
    for (const name in list) into[name] = (into[name] ?? 0) + quantityValue(list[name]);
  };
  const max: Record<string, number> = {};
  const sidecars: Record<string, number> = {};
  for (const container of pod.spec?.initContainers ?? []) {
    const now = { ...sidecars };
    add(now, requestsOf(container));
    if (isSidecar(container)) add(sidecars, requestsOf(container));
    for (const name in now) max[name] = Math.max(max[name] ?? 0, now[name] ?? 0);
  }
  for (const container of pod.spec?.containers ?? []) add(sum, requestsOf(container));
  for (const name in sidecars) sum[name] = (sum[name] ?? 0) + (sidecars[name] ?? 0);
  for (const name in max) sum[name] = Math.max(sum[name] ?? 0, max[name] ?? 0);
  const pods = pod.spec?.resources?.requests;
  for (const name in pods) sum[name] = quantityValue(pods[name]);
  add(sum, pod.spec?.overhead);
  return sum;
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** Guaranteed: every container limits CPU and memory and asks for as much. BestEffort: none says anything. */
export function qosClass(pod: Pod): QosClass {
  const whole = pod.spec?.resources;
  const all =
    whole?.requests || whole?.limits
      ? [{ resources: whole }]
      : [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const { resources } of all) {
    for (const name of ['cpu', 'memory']) {
      const limit = quantityValue(resources?.limits?.[name]);
      const request = quantityValue(resources?.requests?.[name] ?? resources?.limits?.[name]);
      if (limit > 0 || request > 0) any = true;
      if (limit <= 0 || request !== limit) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const period = 100_000;

export function sharesOf(milli: number): number {
  return milli === 0 ? 2 : Math.min(262_144, Math.max(2, Math.floor((milli * 1024) / 1000)));
}

export function quotaOf(milli: number): number {
  return Math.max(1000, Math.floor((milli * period) / 1000));
}

/** How eagerly the kernel ends it when memory runs out: the more it asked for, the later. */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemory: number): number {
  if ((pod.spec?.priority ?? 0) >= 2_000_000_000) return -997;
  const quality = qosClass(pod);
  if (quality === 'Guaranteed') return -997;
  if (quality === 'BestEffort') return 1000;
  const adjusted = 1000 - Math.floor((1000 * memoryBytes(requestsOf(container))) / Math.max(nodeMemory, 1));
  return Math.min(999, Math.max(3, adjusted));
}

export function containerResources(pod: Pod, container: Container, nodeMemory: number): Resources {
  const limits = container.resources?.limits;
  const cpuLimit = milliCpu(limits);
  const memoryLimit = memoryBytes(limits);
  return {
    cpuShares: sharesOf(milliCpu(requestsOf(container))),
    ...(cpuLimit > 0 && { cpuQuota: quotaOf(cpuLimit), cpuPeriod: period }),
    ...(memoryLimit > 0 && { memoryLimit }),
    oomScoreAdj: oomScoreAdj(pod, container, nodeMemory),
  };
}

/** Limits of the pod as a whole: set only when every container has one. */
export function podResources(pod: Pod): Resources {
  const whole = pod.spec?.resources?.limits;
  const containers = pod.spec?.containers ?? [];
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
  const total = (of: (list: List | undefined) => number): number => {
    if (whole && of(whole) > 0) return of(whole);
    const each = [...containers, ...sidecars].map((container) => of(container.resources?.limits));
    if (each.some((limit) => limit === 0)) return 0;
    const running = each.reduce((sum, limit) => sum + limit, 0);
    const inits = (pod.spec?.initContainers ?? []).map((container) => of(container.resources?.limits));
    return inits.some((limit) => limit === 0) ? 0 : Math.max(running, ...inits);
  };
  const cpu = total(milliCpu);
  const memory = total(memoryBytes);
  return {
    cpuShares: sharesOf(Math.ceil((podRequests(pod).cpu ?? 0) * 1000)),
    ...(cpu > 0 && { cpuQuota: quotaOf(cpu), cpuPeriod: period }),
    ...(memory > 0 && { memoryLimit: memory }),
  };
}
