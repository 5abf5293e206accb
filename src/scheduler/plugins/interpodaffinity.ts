import type { Pod } from '../../api/index.ts';
import { compileTerm, type Held, preferredTerms, requiredTerms, type Term } from '../affinityterms.ts';
import { type Cycle, maxScore, type Plugin, type Rejection } from '../framework.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import type { TopologyCounts } from '../topology.ts';

const name = 'InterPodAffinity';

interface Counted {
  readonly term: Term;
  /** Pods that match, by domain. */
  readonly counts: TopologyCounts;
}

/** What all pods of a class share. */
interface Shared {
  /** A pod counts when it matches all of the pod's affinity terms. */
  readonly affinity: readonly Counted[];
  readonly matchesItself: boolean;
  readonly antiAffinity: readonly Counted[];
  readonly preferred: readonly (Counted & { weight: number })[];
  /** Terms of placed pods that mean this one; as of `version`. */
  version: number;
  forbids: readonly Held[];
  wants: readonly Held[];
  prefers: readonly Held[];
}

export interface InterPodAffinityArgs {
  /** How much it counts that a placed pod requires to be near ones like this. */
  hardPodAffinityWeight?: number;
  ignorePreferredTermsOfExistingPods?: boolean;
}

const notNear: Rejection = { reason: "node(s) didn't match pod affinity rules", unresolvable: true };
const tooNear: Rejection = { reason: "node(s) didn't match pod anti-affinity rules" };
const unwelcome: Rejection = { reason: "node(s) didn't satisfy existing pods anti-affinity rules" };

export const interPodAffinity = (args: InterPodAffinityArgs = {}): Plugin => {
  const { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods: ignoreTheirs = false } = args;
  return {
    name,
    weight: 2,
    preFilter(cycle) {
      const { affinity, antiAffinity, forbids } = sharedOf(cycle);
      return affinity.length + antiAffinity.length + forbids.length === 0 ? 'skip' : undefined;
    },
    filter({ shared, pod }, node) {
      const { affinity, antiAffinity, forbids, matchesItself } = shared.get(name) as Shared;
      if (affinity.length > 0 && !isNear(affinity, matchesItself, node)) return notNear;
      for (const { counts } of antiAffinity) if ((counts.domainOf(node)?.count ?? 0) > 0) return tooNear;
      for (const { counts, term } of forbids)
        if ((counts.domainOf(node)?.count ?? 0) > 0 && term.matches(pod)) return unwelcome;
      return undefined;
    },
    scores(cycle) {
      const { preferred, prefers, wants } = sharedOf(cycle);
      if (preferred.length > 0) return true;
      if (ignoreTheirs) return false;
      return prefers.length > 0 || (hardPodAffinityWeight > 0 && wants.length > 0);
    },
    score({ shared }, node) {
      const { preferred, prefers, wants } = shared.get(name) as Shared;
      let score = 0;
      for (const { counts, weight } of preferred) score += weight * (counts.domainOf(node)?.count ?? 0);
      for (const { counts } of prefers) score += counts.domainOf(node)?.count ?? 0;
      if (hardPodAffinityWeight > 0)
        for (const { counts } of wants) score += hardPodAffinityWeight * (counts.domainOf(node)?.count ?? 0);
      return score;
    },
    normalize(_cycle, scores, _nodes, count) {
      let lowest = scores[0]!;
      let highest = lowest;
      for (let i = 1; i < count; i++) {
        if (scores[i]! < lowest) lowest = scores[i]!;
        if (scores[i]! > highest) highest = scores[i]!;
      }
      const range = highest - lowest;
      for (let i = 0; i < count; i++)
        scores[i] = range === 0 ? 0 : Math.floor((maxScore * (scores[i]! - lowest)) / range);
    },
    events: ['NodeAdd', 'NodeUpdate', 'PodAdd', 'PodUpdate', 'PodDelete', 'Namespace', 'SelfUpdate'],
    helps(pod, event, old, object) {
      if (event === 'PodAdd') return mayMean(pod, object as Pod, 'podAffinity');
      if (event === 'PodDelete')
        return mayMean(pod, old as Pod, 'podAntiAffinity') || requiredTerms(old as Pod, 'podAntiAffinity').length > 0;
      return true;
    },
  };
};

/** Whether a term of the pod may be about the other: namespaces that are told by labels are taken for granted. */
function mayMean(pod: Pod, other: Pod, field: 'podAffinity' | 'podAntiAffinity'): boolean {
  return requiredTerms(pod, field).some(
    (term) => term.namespaceSelector !== undefined || compileTerm(pod, term, () => ({})).matches(other),
  );
}

function isNear(affinity: readonly Counted[], matchesItself: boolean, node: NodeInfo): boolean {
  let near = true;
  for (const { counts, term } of affinity) {
    if (node.labels[term.topologyKey] === undefined) return false;
    if ((counts.domainOf(node)?.count ?? 0) === 0) near = false;
  }
  // the first of a group that wants to be together may go anywhere that has the labels
  return near || (matchesItself && affinity.every(({ counts }) => counts.total === 0));
}

function sharedOf(cycle: Cycle): Shared {
  const { shared, snapshot, pod } = cycle;
  let found = shared.get(name) as Shared | undefined;
  if (found === undefined) shared.set(name, (found = compile(cycle)));
  if (found.version !== snapshot.heldTerms.version) {
    found.version = snapshot.heldTerms.version;
    const about = snapshot.heldTerms.about(pod);
    found.forbids = about.filter((held) => held.kind === 'forbids');
    found.wants = about.filter((held) => held.kind === 'wants');
    found.prefers = about.filter((held) => held.kind === 'prefers');
  }
  return found;
}

function compile(cycle: Cycle): Shared {
  const { pod, snapshot, shared } = cycle;
  const dispose = shared.get('dispose') as (() => void)[];
  const termOf = (from: Parameters<typeof compileTerm>[1]) => compileTerm(pod, from, snapshot.namespaceLabels);
  const count = (term: Term, id: string, matches: (pod: Pod) => boolean): Counted => {
    const fullId = `pods|${term.topologyKey}|${id}`;
    const anchor = { namespace: term.namespace, label: pinned(term) };
    const counting = () => ({ topologyKey: term.topologyKey, weigh: (one: Pod) => (matches(one) ? 1 : 0) });
    const counts = snapshot.counts.take(fullId, anchor, counting);
    dispose.push(() => snapshot.counts.giveBack(fullId));
    return { term, counts };
  };
  const affinity = requiredTerms(pod, 'podAffinity').map(termOf);
  const all = (one: Pod) => affinity.every((term) => term.matches(one));
  const allId = affinity.map((term) => term.id).join('&');
  const weighted = (field: 'podAffinity' | 'podAntiAffinity', sign: number) =>
    preferredTerms(pod, field).map(({ podAffinityTerm, weight }) => {
      const term = termOf(podAffinityTerm);
      return { ...count(term, term.id, term.matches), weight: sign * weight };
    });
  return {
    affinity: affinity.map((term) => count(term, allId, all)),
    matchesItself: affinity.length > 0 && all(pod),
    antiAffinity: requiredTerms(pod, 'podAntiAffinity')
      .map(termOf)
      .map((term) => count(term, term.id, term.matches)),
    preferred: [...weighted('podAffinity', 1), ...weighted('podAntiAffinity', -1)],
    version: -1,
    forbids: [],
    wants: [],
    prefers: [],
  };
}

/** A label that every pod has that the term selects. */
function pinned({ selector }: Term): readonly [string, string] | undefined {
  for (const { key, operator, values } of selector.requirements)
    if ((operator === '=' || operator === '==' || operator === 'in') && values.length === 1) return [key, values[0]!];
  return undefined;
}
