import type { LabelSelector, Pod, TopologySpreadConstraint } from '../../api/index.ts';
import { labelSelectorAsSelector, type Selector } from '../../machinery/index.ts';
import { type Cycle, maxScore, type Plugin } from '../framework.ts';
import type { NodeInfo } from '../snapshot.ts';
import { fitsNode } from './nodeaffinity.ts';
import { taintToleration } from './tainttoleration.ts';

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: Selector;
  readonly selfMatch: number;
  /** How many matching pods each domain has; only domains of nodes that count. */
  readonly counts: Map<string, number>;
}

export const podTopologySpread: Plugin = {
  name: 'PodTopologySpread',
  weight: 2,
  preFilter(cycle) {
    const hard = constraintsOf(cycle, 'DoNotSchedule');
    cycle.state.set('PodTopologySpread', hard);
    for (const constraint of hard) count(cycle, constraint.raw, constraint, cycle.snapshot.nodes);
    return undefined;
  },
  filter({ state }, { node }) {
    for (const constraint of state.get('PodTopologySpread') as Counted[]) {
      const domain = node.metadata.labels?.[constraint.topologyKey];
      if (domain === undefined)
        return {
          reason: "node(s) didn't match pod topology spread constraints (missing required label)",
          unresolvable: true,
        };
      const fewest = constraint.counts.size < constraint.minDomains ? 0 : Math.min(...constraint.counts.values());
      const skew = (constraint.counts.get(domain) ?? 0) + constraint.selfMatch - fewest;
      if (skew > constraint.maxSkew) return { reason: "node(s) didn't match pod topology spread constraints" };
    }
    return undefined;
  },
  preScore(cycle, nodes) {
    const soft = constraintsOf(cycle, 'ScheduleAnyway');
    for (const constraint of soft) count(cycle, constraint.raw, constraint, nodes);
    cycle.state.set('PodTopologySpreadScore', soft);
    return soft.length > 0;
  },
  score({ state }, { node }) {
    let score = 0;
    for (const { counts, topologyKey, maxSkew } of state.get('PodTopologySpreadScore') as Counted[]) {
      const domain = node.metadata.labels?.[topologyKey];
      if (domain === undefined) continue;
      // many domains make each pod weigh less
      score += (counts.get(domain) ?? 0) * Math.log(counts.size + 2) + (maxSkew - 1);
    }
    return Math.round(score);
  },
  normalize(_cycle, scores) {
    const highest = Math.max(...scores);
    const lowest = Math.min(...scores);
    for (let i = 0; i < scores.length; i++)
      scores[i] = highest === 0 ? maxScore : Math.floor((maxScore * (highest + lowest - scores[i]!)) / highest);
  },
  events: ['NodeAdd', 'NodeUpdate', 'PodAdd', 'PodUpdate', 'PodDelete'],
};

type Counted = Constraint & { raw: TopologySpreadConstraint };

function constraintsOf({ pod }: Cycle, action: string): Counted[] {
  return (pod.spec.topologySpreadConstraints ?? [])
    .filter((one: TopologySpreadConstraint) => one.whenUnsatisfiable === action)
    .map((raw: TopologySpreadConstraint) => {
      const selector = labelSelectorAsSelector(withMatchLabelKeys(raw, pod));
      return {
        raw,
        topologyKey: raw.topologyKey,
        maxSkew: raw.maxSkew,
        minDomains: raw.minDomains ?? 1,
        selector,
        selfMatch: selector.matches(pod.metadata.labels ?? {}) ? 1 : 0,
        counts: new Map(),
      };
    });
}

function withMatchLabelKeys(constraint: TopologySpreadConstraint, pod: Pod): LabelSelector | undefined {
  const keys: string[] = constraint.matchLabelKeys ?? [];
  if (keys.length === 0) return constraint.labelSelector;
  const matchLabels = { ...constraint.labelSelector?.matchLabels };
  for (const key of keys) if (pod.metadata.labels?.[key] !== undefined) matchLabels[key] = pod.metadata.labels[key];
  return { ...constraint.labelSelector, matchLabels };
}

function count(
  cycle: Cycle,
  raw: TopologySpreadConstraint,
  { topologyKey, selector, counts }: Constraint,
  nodes: readonly NodeInfo[],
): void {
  const { pod } = cycle;
  for (const info of nodes) {
    const domain = info.node.metadata.labels?.[topologyKey];
    if (domain === undefined) continue;
    if ((raw.nodeAffinityPolicy ?? 'Honor') === 'Honor' && !fitsNode(pod, info.node)) continue;
    if (raw.nodeTaintsPolicy === 'Honor' && taintToleration.filter!(cycle, info) !== undefined) continue;
    let matching = 0;
    for (const other of info.pods.values())
      if (
        other.metadata.namespace === pod.metadata.namespace &&
        other.metadata.deletionTimestamp === undefined &&
        selector.matches(other.metadata.labels ?? {})
      )
        matching++;
    counts.set(domain, (counts.get(domain) ?? 0) + matching);
  }
}
