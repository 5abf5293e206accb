/** What a pod as a whole asks for and may use: the sum of what runs at once, or the largest step of its start. */
import type { Pod } from '../gen/types.ts';
import { type Amounts, addAmounts, greaterAmounts } from './amounts.ts';

type Part = 'requests' | 'limits';
type Container = NonNullable<Pod['spec']>['containers'][number];

export interface PodAmountsOptions {
  /** Count what the node has allotted, too, while a resize is under way. */
  readonly withStatus: boolean;
  /** Count what the pod's runtime itself takes. */
  readonly withOverhead: boolean;
}

export function podAmounts(pod: Pod, part: Part, options: PodAmountsOptions): Amounts {
  const total = containerAmounts(pod, part, options);
  const { resources, overhead } = pod.spec ?? {};
  for (const [name, amount] of Object.entries(resources?.[part] ?? {}))
    if (isPodLevelResource(name)) total[name] = amount;
  if (!options.withOverhead || overhead === undefined) return total;
  if (part === 'requests') return addAmounts(total, overhead);
  // what has no limit gets none by its overhead
  const limited = Object.entries(overhead).filter(([name]) => total[name] !== undefined && total[name] !== '0');
  return addAmounts(total, Object.fromEntries(limited));
}

function containerAmounts(pod: Pod, part: Part, { withStatus }: PodAmountsOptions): Amounts {
  const amountsOf = (container: Container, running: boolean) =>
    (withStatus && running && effective(pod, container, part)) || container.resources?.[part] || {};
  let together: Amounts = {};
  for (const container of pod.spec?.containers ?? []) together = addAmounts(together, amountsOf(container, true));
  let sidecars: Amounts = {};
  let largest: Amounts = {};
  for (const container of pod.spec?.initContainers ?? []) {
    const stays = container.restartPolicy === 'Always';
    const own = amountsOf(container, stays);
    if (stays) {
      together = addAmounts(together, own);
      sidecars = addAmounts(sidecars, own);
      largest = greaterAmounts(largest, sidecars);
    } else largest = greaterAmounts(largest, addAmounts(own, sidecars));
  }
  return greaterAmounts(together, largest);
}

/** While a resize has not reached the node, the greater of what is asked and what is allotted. */
function effective({ spec, status }: Pod, { name, resources }: Container, part: Part): Amounts | undefined {
  const isInit = spec?.initContainers?.some((one) => one.name === name);
  const seen = (isInit ? status?.initContainerStatuses : status?.containerStatuses)?.find((one) => one.name === name);
  if (seen?.resources === undefined) return undefined;
  const pending = status?.conditions?.find(({ type }) => type === 'PodResizePending');
  const asked = pending?.reason === 'Infeasible' ? undefined : resources?.[part];
  const allotted = part === 'requests' ? seen.allocatedResources : undefined;
  return greaterAmounts(asked, seen.resources[part], allotted);
}

export function isPodLevelResource(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}

/** Whether the pod says as a whole what it needs. */
export function hasPodLevelResources({ spec }: Pod): boolean {
  const { requests, limits } = spec?.resources ?? {};
  return [...Object.keys(requests ?? {}), ...Object.keys(limits ?? {})].some(isPodLevelResource);
}
