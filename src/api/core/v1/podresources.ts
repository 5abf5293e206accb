/** What a Pod's requests default to: its limits, container by container and for the Pod as a whole. */
import { addQuantities, compareQuantities } from '../../../machinery/index.ts';
import type { PodSpec } from '../../gen/types.ts';

type Amounts = Record<string, string>;

export function defaultPodResources(spec: PodSpec): void {
  for (const { resources } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
  if (spec.resources) defaultWhole(spec, spec.resources);
}

const isPodLevel = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

function defaultWhole(spec: PodSpec, whole: NonNullable<PodSpec['resources']>): void {
  for (const [name, amount] of Object.entries(aggregate(spec, 'limits'))) {
    if (!name.startsWith('hugepages-') || whole.requests?.[name] !== undefined) continue;
    if (whole.limits || whole.requests) (whole.limits ??= {})[name] ??= amount;
  }
  if (!whole.limits || Object.keys(whole.limits).length === 0) return;
  const requests: Amounts = { ...whole.requests };
  for (const [name, amount] of Object.entries(aggregate(spec, 'requests')))
    if (name === 'cpu' || name === 'memory') requests[name] ??= amount;
  for (const [name, amount] of Object.entries(whole.limits)) if (isPodLevel(name)) requests[name] ??= amount;
  if (Object.keys(requests).length > 0) whole.requests = requests;
}

/** What all containers together need: the sum of those that run at once, or the largest init step if that is more. */
export function aggregate(spec: PodSpec, part: 'limits' | 'requests'): Amounts {
  let together: Amounts = {};
  for (const container of spec.containers ?? []) together = sum(together, container.resources?.[part] ?? {});
  let sidecars: Amounts = {};
  let largest: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    const own = container.resources?.[part] ?? {};
    if (container.restartPolicy === 'Always') {
      sidecars = sum(sidecars, own);
      together = sum(together, own);
      largest = greater(largest, sidecars);
    } else largest = greater(largest, sum(own, sidecars));
  }
  return greater(together, largest);
}

function sum(a: Amounts, b: Amounts): Amounts {
  const total = { ...a };
  for (const [name, amount] of Object.entries(b))
    total[name] = total[name] === undefined ? amount : addQuantities(total[name], amount);
  return total;
}

function greater(a: Amounts, b: Amounts): Amounts {
  const most = { ...a };
  for (const [name, amount] of Object.entries(b))
    if (most[name] === undefined || compareQuantities(amount, most[name]) > 0) most[name] = amount;
  return most;
}
