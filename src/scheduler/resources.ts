/** What pods ask for and nodes have, as numbers: CPU in millicores, everything else in its own unit. */
import type { ContainerStatus, Pod, ResourceRequirements } from '../api/index.ts';
import { quantityMilliValue, quantityValue } from '../machinery/index.ts';

export type Amounts = Record<string, number>;

/** A pod's request, laid out for comparing with thousands of nodes. */
export interface Request {
  readonly cpu: number;
  readonly memory: number;
  readonly storage: number;
  /** Extended resources and huge pages; none of them zero. */
  readonly scalars: readonly (readonly [resource: string, amount: number])[];
  /** For scoring: as if each container that says nothing asked for a little. */
  readonly nonZeroCpu: number;
  readonly nonZeroMemory: number;
  readonly none: boolean;
}

const parsed = new Map<string, number>();
const rememberedQuantities = 10_000;

/** Quantities repeat: each is read once. */
export function amountOf(resource: string, quantity: string): number {
  const key = resource === 'cpu' ? `m${quantity}` : quantity;
  let value = parsed.get(key);
  if (value === undefined) {
    value = resource === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
    if (parsed.size > rememberedQuantities) parsed.clear();
    parsed.set(key, value);
  }
  return value;
}

export function amountsOf(list: Record<string, string> | undefined): Amounts {
  const amounts: Amounts = {};
  for (const resource in list) amounts[resource] = amountOf(resource, list[resource]!);
  return amounts;
}

const requests = new WeakMap<Pod, Request>();

/**
 * What a pod takes while it lives: its containers together, or more if an init container needs more while it runs beside the sidecars
 * that started before it; plus overhead. Pod-level requests go before. While a resize is under way, the larger of old and new.
 */
export function requestOf(pod: Pod): Request {
  let request = requests.get(pod);
  if (request === undefined) requests.set(pod, (request = compute(pod)));
  return request;
}

/** The same pod, in another state of which it is known that it asks for as much. */
export function takeRequest(from: Pod, to: Pod): void {
  requests.set(to, requestOf(from));
}

/** Whether two states of one pod ask for as much. */
export function asksAsMuch(known: Pod, pod: Pod): boolean {
  if (sharesRequests(known, pod)) {
    takeRequest(known, pod);
    return true;
  }
  return equalRequests(requestOf(known), requestOf(pod));
}

/** What requests are read from is the very same: so it is when something else was written. */
function sharesRequests({ spec: a, status: s }: Pod, { spec: b, status: t }: Pod): boolean {
  return (
    a.containers === b.containers &&
    a.initContainers === b.initContainers &&
    a.resources === b.resources &&
    a.overhead === b.overhead &&
    s?.containerStatuses === t?.containerStatuses &&
    s?.initContainerStatuses === t?.initContainerStatuses
  );
}

function equalRequests(a: Request, b: Request): boolean {
  return (
    a.cpu === b.cpu &&
    a.memory === b.memory &&
    a.storage === b.storage &&
    a.scalars.length === b.scalars.length &&
    a.scalars.every(([resource, amount], i) => resource === b.scalars[i]![0] && amount === b.scalars[i]![1])
  );
}

/** Pods that ask for nothing count as if they asked for a little, so that they too are spread. */
const floor: Amounts = { cpu: 100, memory: 200 * 1024 * 1024 };
const nothing: Amounts = {};

function compute(pod: Pod): Request {
  const { cpu = 0, memory = 0, 'ephemeral-storage': storage = 0, ...others } = total(pod, nothing);
  const assumed = total(pod, floor);
  const scalars = Object.entries(others).filter(([, amount]) => amount !== 0);
  const none = cpu === 0 && memory === 0 && storage === 0 && scalars.length === 0;
  return { cpu, memory, storage, scalars, nonZeroCpu: assumed.cpu ?? 0, nonZeroMemory: assumed.memory ?? 0, none };
}

function total(pod: Pod, missing: Amounts): Amounts {
  const sum: Amounts = {};
  const { spec, status } = pod;
  for (const container of spec.containers) add(sum, requested(container, status?.containerStatuses, missing));
  const sidecars: Amounts = {};
  const starting: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    const needs = requested(container, status?.initContainerStatuses, missing);
    if (container.restartPolicy === 'Always') {
      add(sum, needs);
      add(sidecars, needs);
      raise(starting, sidecars);
    } else {
      add(needs, sidecars);
      raise(starting, needs);
    }
  }
  raise(sum, starting);
  Object.assign(sum, amountsOf(spec.resources?.requests));
  add(sum, amountsOf(spec.overhead));
  return sum;
}

function requested(
  { name, resources }: { name: string; resources?: ResourceRequirements },
  statuses: readonly ContainerStatus[] | undefined,
  missing: Amounts,
): Amounts {
  const amounts = { ...missing, ...amountsOf(resources?.requests) };
  const status = statuses?.find((one) => one.name === name);
  if (status === undefined) return amounts;
  raise(amounts, amountsOf(status.allocatedResources));
  raise(amounts, amountsOf(status.resources?.requests));
  return amounts;
}

function add(to: Amounts, more: Amounts): void {
  for (const resource in more) to[resource] = (to[resource] ?? 0) + more[resource]!;
}

function raise(to: Amounts, least: Amounts): void {
  for (const resource in least) to[resource] = Math.max(to[resource] ?? 0, least[resource]!);
}
