import type { Pod } from '../../api/index.ts';
import { maxScore, type Plugin } from '../framework.ts';
import { amountOf, requestsOf } from '../resources.ts';
import type { NodeInfo } from '../snapshot.ts';

export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  filter({ pod }, node) {
    const { allocatable, requested } = node;
    const reasons: string[] = [];
    if (node.pods.size + 1 > (allocatable.pods ?? 0)) reasons.push('Too many pods');
    const wanted = requestsOf(pod);
    let impossible = false;
    for (const resource in wanted) {
      const amount = wanted[resource]!;
      if (amount === 0) continue;
      if (amount <= (allocatable[resource] ?? 0) - (requested[resource] ?? 0)) continue;
      reasons.push(`Insufficient ${resource}`);
      if (amount > (allocatable[resource] ?? 0)) impossible = true;
    }
    return reasons.length === 0 ? undefined : { reason: reasons.join(', '), unresolvable: impossible };
  },
  /** Least allocated: the emptier the node, the better. */
  score({ pod }, node) {
    let sum = 0;
    for (const resource of ['cpu', 'memory']) {
      const capacity = node.allocatable[resource] ?? 0;
      const used = scoredUse(pod, node, resource);
      if (capacity > 0 && used <= capacity) sum += Math.floor(((capacity - used) * maxScore) / capacity);
    }
    return Math.floor(sum / 2);
  },
  events: ['NodeAdd', 'NodeUpdate', 'PodDelete', 'PodUpdate', 'SelfUpdate'],
};

/** The closer the shares of CPU and memory in use are to each other, the better. */
export const nodeResourcesBalancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  preScore: ({ pod }) => Object.keys(requestsOf(pod)).length > 0,
  score({ pod }, node) {
    const shares = ['cpu', 'memory'].flatMap((resource) => {
      const capacity = node.allocatable[resource] ?? 0;
      return capacity === 0
        ? []
        : [Math.min(1, ((node.requested[resource] ?? 0) + (requestsOf(pod)[resource] ?? 0)) / capacity)];
    });
    const spread = shares.length < 2 ? 0 : Math.abs(shares[0]! - shares[1]!) / 2;
    return Math.floor((1 - spread) * maxScore);
  },
};

/** Pods that ask for nothing count as if they asked for a little, so that they too are spread. */
const assumed: Record<string, number> = { cpu: amountOf('cpu', '100m'), memory: 200 * 1024 * 1024 };

function scoredUse(pod: Pod, node: NodeInfo, resource: string): number {
  const asked = requestsOf(pod)[resource];
  let unasked = 0;
  if (node.pods.size < 1000)
    for (const other of node.pods.values())
      if (requestsOf(other)[resource] === undefined) unasked += assumed[resource]!;
  return (node.requested[resource] ?? 0) + unasked + (asked ?? assumed[resource]!);
}
