/** What pods ask for and nodes have, as numbers: CPU in millicores, everything else in its own unit. */
import type { Pod, ResourceRequirements } from '../api/index.ts';
import { quantityMilliValue, quantityValue } from '../machinery/index.ts';

export type Amounts = Record<string, number>;

const parsed = new Map<string, number>();

/** Quantities repeat: each is read once. */
export function amountOf(resource: string, quantity: string): number {
  const key = resource === 'cpu' ? `m${quantity}` : quantity;
  let value = parsed.get(key);
  if (value === undefined) {
    value = resource === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
    if (parsed.size > 10_000) parsed.clear();
    parsed.set(key, value);
  }
  return value;
}

export function amountsOf(list: Record<string, string> | undefined): Amounts {
  const amounts: Amounts = {};
  for (const resource in list) amounts[resource] = amountOf(resource, list[resource]!);
  return amounts;
}

export function add(to: Amounts, more: Amounts, sign: 1 | -1 = 1): void {
  for (const resource in more) to[resource] = (to[resource] ?? 0) + sign * more[resource]!;
}

const requests = new WeakMap<Pod, Amounts>();

/**
 * What a pod takes while it lives: its containers together, or more if an init container needs more while it runs beside the sidecars
 * that started before it; plus overhead. Pod-level requests go before.
 */
export function requestsOf(pod: Pod): Amounts {
  let amounts = requests.get(pod);
  if (amounts === undefined) requests.set(pod, (amounts = compute(pod)));
  return amounts;
}

function compute(pod: Pod): Amounts {
  const total: Amounts = {};
  for (const { resources } of pod.spec.containers) add(total, requestsIn(resources));
  const sidecars: Amounts = {};
  const starting: Amounts = {};
  for (const { resources, restartPolicy } of pod.spec.initContainers ?? []) {
    const needs = { ...requestsIn(resources) };
    if (restartPolicy === 'Always') {
      add(total, needs);
      add(sidecars, needs);
      raise(starting, sidecars);
    } else {
      add(needs, sidecars);
      raise(starting, needs);
    }
  }
  raise(total, starting);
  Object.assign(total, requestsIn(pod.spec.resources));
  add(total, amountsOf(pod.spec.overhead));
  return total;
}

function requestsIn(resources: ResourceRequirements | undefined): Amounts {
  return amountsOf(resources?.requests);
}

function raise(to: Amounts, floor: Amounts): void {
  for (const resource in floor) to[resource] = Math.max(to[resource] ?? 0, floor[resource]!);
}
