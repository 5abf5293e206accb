import type { LabelSelector, Pod, TopologySpreadConstraint } from '../../api/index.ts';
import { compileSelector, labelSelectorAsSelector, nothing, type Selector } from '../../machinery/index.ts';
import { type Cycle, maxScore, type Plugin, type Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import type { TopologyCounts } from '../topology.ts';
import { defaultSelectors } from './defaultselector.ts';
import { fitsNode } from './nodeaffinity.ts';
import { untolerated } from './tainttoleration.ts';

const name = 'PodTopologySpread';
const hostname = 'kubernetes.io/hostname';

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selfMatch: 0 | 1;
  readonly counts: TopologyCounts;
}

interface Shared {
  readonly hard: readonly Constraint[];
  readonly soft: readonly Constraint[];
  /** A node without one of the labels has no say and no score. */
  readonly allLabels: boolean;
}

export interface PodTopologySpreadArgs {
  /** 'System', the default: spread over hosts and zones, if that costs nothing else. 'List': `defaultConstraints`. */
  defaultingType?: 'System' | 'List';
  /** For pods without constraints; their pods are those of the same Service, ReplicaSet, StatefulSet. */
  defaultConstraints?: readonly TopologySpreadConstraint[];
}

const systemDefaults: readonly TopologySpreadConstraint[] = [
  { topologyKey: hostname, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

const skewed: Rejection = { reason: "node(s) didn't match pod topology spread constraints" };
const noDomain: Rejection = {
  reason: "node(s) didn't match pod topology spread constraints (missing required label)",
  unresolvable: true,
};

export const podTopologySpread = (args: PodTopologySpreadArgs | undefined, handle: Handle): Plugin => {
  const listed = args?.defaultingType === 'List';
  const defaults = listed ? (args?.defaultConstraints ?? []) : systemDefaults;
  const selectorFor = defaults.length > 0 ? defaultSelectors(handle) : () => undefined;
  const sharedOf = (cycle: Cycle) => {
    let found = cycle.shared.get(name) as Shared | undefined;
    if (found === undefined) cycle.shared.set(name, (found = compile(cycle, defaults, listed, selectorFor)));
    return found;
  };
  return {
    name,
    weight: 2,
    preFilter: (cycle) => (sharedOf(cycle).hard.length === 0 ? 'skip' : undefined),
    filter({ shared }, node) {
      for (const { topologyKey, maxSkew, minDomains, selfMatch, counts } of (shared.get(name) as Shared).hard) {
        const value = node.labels[topologyKey];
        if (value === undefined) return noDomain;
        const count = counts.domainOf(node)?.count ?? counts.countOf(value);
        const least = counts.domains < minDomains ? 0 : counts.least;
        if (count + selfMatch - least > maxSkew) return skewed;
      }
      return undefined;
    },
    scores: (cycle) => sharedOf(cycle).soft.length > 0,
    preScore: (cycle, nodes) => prepareScores(cycle, sharedOf(cycle), nodes),
    score({ state, shared }, node) {
      const { soft, allLabels } = shared.get(name) as Shared;
      const weights = state.get(name) as number[];
      let score = 0;
      for (let i = 0; i < soft.length; i++) {
        const { topologyKey, counts, maxSkew } = soft[i]!;
        const value = node.labels[topologyKey];
        if (value === undefined) {
          if (allLabels) return invalid;
          continue;
        }
        const count =
          topologyKey === hostname ? counts.countOn(node) : (counts.domainOf(node)?.count ?? counts.countOf(value));
        score += count * weights[i]! + (maxSkew - 1);
      }
      return Math.round(score);
    },
    normalize(_cycle, scores, _nodes, count) {
      let [lowest, highest] = [Number.POSITIVE_INFINITY, 0];
      for (let i = 0; i < count; i++) {
        const score = scores[i]!;
        if (score === invalid) continue;
        if (score < lowest) lowest = score;
        if (score > highest) highest = score;
      }
      for (let i = 0; i < count; i++) {
        if (scores[i] === invalid) scores[i] = 0;
        else scores[i] = highest === 0 ? maxScore : Math.floor((maxScore * (highest + lowest - scores[i]!)) / highest);
      }
    },
    events: ['NodeAdd', 'NodeUpdate', 'NodeDelete', 'PodAdd', 'PodUpdate', 'PodDelete', 'SelfUpdate'],
    helps(pod, event, old, object) {
      if (event !== 'PodAdd' && event !== 'PodDelete') return true;
      const other = (event === 'PodAdd' ? object : old) as Pod;
      if (other.metadata.namespace !== pod.metadata.namespace) return false;
      const own = pod.spec.topologySpreadConstraints ?? [];
      return own.length === 0 || own.some((one) => selectorOf(one, pod).matches(other.metadata.labels));
    },
  };
};

const invalid = -1;
let attempts = 0;

/** How much a pod weighs in each constraint: less, the more domains there are. */
function prepareScores({ state }: Cycle, { soft, allLabels }: Shared, nodes: readonly NodeInfo[]): boolean {
  const attempt = ++attempts;
  const sizes = soft.map(() => 0);
  for (const node of nodes) {
    if (allLabels && soft.some(({ topologyKey }) => node.labels[topologyKey] === undefined)) continue;
    for (let i = 0; i < soft.length; i++) {
      const { topologyKey, counts } = soft[i]!;
      if (topologyKey === hostname) {
        sizes[i]!++;
        continue;
      }
      const domain = counts.domainOf(node);
      if (domain === undefined || domain.seen === attempt) continue;
      domain.seen = attempt;
      sizes[i]!++;
    }
  }
  state.set(
    name,
    sizes.map((size) => Math.log(size + 2)),
  );
  return true;
}

function compile(
  cycle: Cycle,
  defaults: readonly TopologySpreadConstraint[],
  listed: boolean,
  selectorFor: (pod: Pod) => Selector | undefined,
): Shared {
  const { pod } = cycle;
  const own = pod.spec.topologySpreadConstraints ?? [];
  if (own.length > 0) {
    const made = own.map((one) => [one, constraintOf(cycle, one, selectorOf(one, pod))] as const);
    return { ...split(made), allLabels: true };
  }
  const selector = defaults.length === 0 ? undefined : selectorFor(pod);
  if (selector === undefined || selector.empty) return { hard: [], soft: [], allLabels: listed };
  const made = defaults.map((one) => [one, constraintOf(cycle, one, selector)] as const);
  return { ...split(made), allLabels: listed };
}

function split(made: readonly (readonly [TopologySpreadConstraint, Constraint])[]) {
  const of = (action: string) => made.filter(([one]) => one.whenUnsatisfiable === action).map(([, made]) => made);
  return { hard: of('DoNotSchedule'), soft: of('ScheduleAnyway') };
}

function selectorOf({ labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, pod: Pod): Selector {
  const selector = labelSelectorAsSelector(labelSelector as LabelSelector as never);
  const own = matchLabelKeys.flatMap((key) => {
    const value = pod.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator: '=' as const, values: [value] }];
  });
  if (own.length === 0 || selector.nothing) return selector.empty ? nothing : selector;
  return compileSelector([...selector.requirements, ...own]);
}

function constraintOf(cycle: Cycle, one: TopologySpreadConstraint, selector: Selector): Constraint {
  const { snapshot, pod, shared } = cycle;
  const { topologyKey, maxSkew, minDomains = 1, nodeAffinityPolicy, nodeTaintsPolicy } = one;
  const { spec, metadata } = pod;
  const byAffinity =
    nodeAffinityPolicy !== 'Ignore' &&
    (spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution !== undefined ||
      Object.keys(spec.nodeSelector ?? {}).length > 0);
  const byTaints = nodeTaintsPolicy === 'Honor';
  const allKeys = keysOf(pod, one);
  const includes = (node: NodeInfo) =>
    allKeys.every((key) => node.labels[key] !== undefined) &&
    (!byAffinity || fitsNode(pod, node.node)) &&
    (!byTaints || untolerated(pod, node.node.spec?.taints) === undefined);
  const weigh = (other: Pod) =>
    other.metadata.deletionTimestamp === undefined &&
    other.metadata.namespace === metadata.namespace &&
    selector.matches(other.metadata.labels)
      ? 1
      : 0;
  const who = selector.nothing ? null : selector.toString();
  const where = [byAffinity && [spec.nodeSelector, spec.affinity?.nodeAffinity], byTaints && spec.tolerations, allKeys];
  const id = JSON.stringify(['spread', metadata.namespace, topologyKey, who, where]);
  const pin = selector.requirements.find(({ operator, values }) => operator === '=' && values.length === 1);
  const anchor = { namespace: metadata.namespace, label: pin && ([pin.key, pin.values[0]!] as const) };
  const counts = snapshot.counts.take(id, anchor, () => ({ topologyKey, weigh, includes }));
  (shared.get('dispose') as (() => void)[]).push(() => snapshot.counts.giveBack(id));
  return { topologyKey, maxSkew, minDomains, selfMatch: selector.matches(metadata.labels) ? 1 : 0, counts };
}

/** A node counts only if it has the labels of all the pod's constraints of the same kind. */
function keysOf({ spec }: Pod, { whenUnsatisfiable }: TopologySpreadConstraint): string[] {
  const alike = spec.topologySpreadConstraints?.filter((other) => other.whenUnsatisfiable === whenUnsatisfiable);
  return (alike ?? []).map((other) => other.topologyKey);
}
