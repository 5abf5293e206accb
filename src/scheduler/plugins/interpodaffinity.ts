import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../../api/index.ts';
import { labelSelectorAsSelector, type Selector } from '../../machinery/index.ts';
import { type Cycle, maxScore, type Plugin } from '../framework.ts';
import type { NodeInfo } from '../snapshot.ts';

interface Term {
  readonly topologyKey: string;
  matches(pod: Pod): boolean;
}

interface State {
  readonly affinity: Term[];
  readonly antiAffinity: Term[];
  /** For each term of the pod: `value of the topology label` → matching pods there. */
  readonly near: Map<string, number>[];
  readonly far: Map<string, number>[];
  /** `key=value` pairs where running pods do not want this one. */
  readonly unwelcome: Set<string>;
}

const name = 'InterPodAffinity';

export const interPodAffinity: Plugin = {
  name,
  weight: 2,
  preFilter(cycle) {
    const { pod, snapshot, state } = cycle;
    const affinity = required(cycle, pod, 'podAffinity');
    const antiAffinity = required(cycle, pod, 'podAntiAffinity');
    const found: State = {
      affinity,
      antiAffinity,
      near: affinity.map((term) => countMatching(snapshot.nodes, term)),
      far: antiAffinity.map((term) => countMatching(snapshot.nodes, term)),
      unwelcome: snapshot.podsWithAffinity === 0 ? new Set() : objections(cycle),
    };
    state.set(name, found);
    return undefined;
  },
  filter({ pod, state }, { node }) {
    const { affinity, antiAffinity, near, far, unwelcome } = state.get(name) as State;
    const labels = node.metadata.labels ?? {};
    const has = (counts: Map<string, number>, key: string) =>
      labels[key] !== undefined && (counts.get(labels[key]) ?? 0) > 0;
    if (affinity.length > 0) {
      const satisfied = affinity.every((term, i) => has(near[i]!, term.topologyKey));
      // the first of a group that wants to be together may go anywhere that has the label
      const first =
        near.every((counts) => counts.size === 0) &&
        affinity.every((term) => labels[term.topologyKey] !== undefined && term.matches(pod));
      if (!satisfied && !first) return { reason: "node(s) didn't match pod affinity rules", unresolvable: true };
    }
    if (antiAffinity.some((term, i) => has(far[i]!, term.topologyKey)))
      return { reason: "node(s) didn't match pod anti-affinity rules" };
    for (const pair of unwelcome) {
      const split = pair.indexOf('=');
      if (labels[pair.slice(0, split)] === pair.slice(split + 1))
        return { reason: "node(s) didn't satisfy existing pods anti-affinity rules" };
    }
    return undefined;
  },
  preScore(cycle) {
    const { pod, snapshot } = cycle;
    const weights = new Map<string, number>();
    const add = (node: NodeInfo, key: string, weight: number) => {
      const value = node.node.metadata.labels?.[key];
      if (value !== undefined) weights.set(`${key}=${value}`, (weights.get(`${key}=${value}`) ?? 0) + weight);
    };
    const own = [...preferred(cycle, pod, 'podAffinity', 1), ...preferred(cycle, pod, 'podAntiAffinity', -1)];
    if (own.length === 0 && snapshot.podsWithAffinity === 0) return false;
    for (const node of snapshot.nodes) {
      if (own.length > 0)
        for (const other of node.pods.values())
          for (const { term, weight } of own) if (term.matches(other)) add(node, term.topologyKey, weight);
      for (const other of node.withAffinity) {
        for (const { term, weight } of [
          ...preferred(cycle, other, 'podAffinity', 1),
          ...preferred(cycle, other, 'podAntiAffinity', -1),
        ])
          if (term.matches(pod)) add(node, term.topologyKey, weight);
        for (const term of required(cycle, other, 'podAffinity')) if (term.matches(pod)) add(node, term.topologyKey, 1);
      }
    }
    cycle.state.set(`${name}Score`, weights);
    return weights.size > 0;
  },
  score({ state }, { node }) {
    let score = 0;
    for (const [pair, weight] of state.get(`${name}Score`) as Map<string, number>) {
      const split = pair.indexOf('=');
      if (node.metadata.labels?.[pair.slice(0, split)] === pair.slice(split + 1)) score += weight;
    }
    return score;
  },
  normalize(_cycle, scores) {
    const highest = Math.max(...scores);
    const lowest = Math.min(...scores);
    for (let i = 0; i < scores.length; i++)
      scores[i] = highest === lowest ? 0 : Math.floor((maxScore * (scores[i]! - lowest)) / (highest - lowest));
  },
  events: ['NodeAdd', 'NodeUpdate', 'PodAdd', 'PodUpdate', 'PodDelete'],
};

function required(cycle: Cycle, pod: Pod, field: 'podAffinity' | 'podAntiAffinity'): Term[] {
  const terms: PodAffinityTerm[] = pod.spec.affinity?.[field]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.map((term) => termOf(cycle, pod, term));
}

function preferred(cycle: Cycle, pod: Pod, field: 'podAffinity' | 'podAntiAffinity', sign: 1 | -1) {
  const terms: WeightedPodAffinityTerm[] =
    pod.spec.affinity?.[field]?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.map(({ podAffinityTerm, weight }) => ({
    term: termOf(cycle, pod, podAffinityTerm),
    weight: sign * weight,
  }));
}

function termOf({ snapshot }: Cycle, pod: Pod, term: PodAffinityTerm): Term {
  const labels = pod.metadata.labels ?? {};
  const own = (keys: string[] | undefined, negate: boolean) =>
    (keys ?? []).flatMap((key) =>
      labels[key] === undefined ? [] : [{ key, operator: negate ? 'NotIn' : 'In', values: [labels[key]] }],
    );
  const selector = labelSelectorAsSelector(
    term.labelSelector && {
      ...term.labelSelector,
      matchExpressions: [
        ...(term.labelSelector.matchExpressions ?? []),
        ...own(term.matchLabelKeys, false),
        ...own(term.mismatchLabelKeys, true),
      ] as never,
    },
  );
  const namespaces = new Set<string>(term.namespaces ?? []);
  const byLabels: Selector | undefined = term.namespaceSelector && labelSelectorAsSelector(term.namespaceSelector);
  if (namespaces.size === 0 && byLabels === undefined) namespaces.add(pod.metadata.namespace!);
  return {
    topologyKey: term.topologyKey,
    matches: (other) =>
      selector.matches(other.metadata.labels ?? {}) &&
      (namespaces.has(other.metadata.namespace!) ||
        (byLabels?.matches(snapshot.namespaceLabels(other.metadata.namespace!)) ?? false)),
  };
}

function countMatching(nodes: readonly NodeInfo[], term: Term): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { node, pods } of nodes) {
    const value = node.metadata.labels?.[term.topologyKey];
    if (value === undefined) continue;
    for (const pod of pods.values())
      if (pod.metadata.deletionTimestamp === undefined && term.matches(pod))
        counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

function objections(cycle: Cycle): Set<string> {
  const unwelcome = new Set<string>();
  for (const { node, withAffinity } of cycle.snapshot.nodes)
    for (const other of withAffinity)
      for (const term of required(cycle, other, 'podAntiAffinity')) {
        const value = node.metadata.labels?.[term.topologyKey];
        if (value !== undefined && term.matches(cycle.pod)) unwelcome.add(`${term.topologyKey}=${value}`);
      }
  return unwelcome;
}
