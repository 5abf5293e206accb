/** Affinity to other pods, compiled: what a term selects, and the terms that pods which are placed already hold. */
import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../api/index.ts';
import { labelSelectorAsSelector, type LabelSelector, type Selector } from '../machinery/index.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { type Counting, TopologyCounts } from './topology.ts';

export type LabelsOf = (namespace: string) => Readonly<Record<string, string>>;

export interface Term {
  readonly topologyKey: string;
  readonly selector: Selector;
  /** Same text: selects the same pods. */
  readonly id: string;
  /** Absent: any namespace may be meant. */
  readonly namespace?: string;
  matches(pod: Pod): boolean;
}

/** A term of a pod: `labelsOf` gives a namespace's labels, for terms that select namespaces by them. */
export function compileTerm(pod: Pod, term: PodAffinityTerm, labelsOf: LabelsOf): Term {
  const selector = labelSelectorAsSelector(selectorOf(pod, term));
  const byLabels = term.namespaceSelector && labelSelectorAsSelector(term.namespaceSelector as LabelSelector);
  const named: readonly string[] =
    term.namespaces?.length || byLabels !== undefined ? (term.namespaces ?? []) : [pod.metadata.namespace!];
  const names = new Set(named);
  const one = names.size === 1 && byLabels === undefined ? named[0] : undefined;
  const inNamespace = (namespace: string) => names.has(namespace) || byLabels?.matches(labelsOf(namespace)) === true;
  const where = byLabels === undefined ? '' : byLabels.empty ? '*' : byLabels.toString();
  return {
    topologyKey: term.topologyKey,
    selector,
    id: JSON.stringify([selector.nothing ? null : selector.toString(), [...names].sort(), where]),
    namespace: one,
    matches: ({ metadata }) =>
      (one === undefined ? inNamespace(metadata.namespace!) : metadata.namespace === one) &&
      selector.matches(metadata.labels),
  };
}

/** `matchLabelKeys` and `mismatchLabelKeys` have been merged in by the API server; for one that does not, it is done here. */
function selectorOf({ metadata: { labels = {} } }: Pod, term: PodAffinityTerm): LabelSelector | undefined {
  const selector = term.labelSelector as LabelSelector | undefined;
  if (selector === undefined || (!term.matchLabelKeys?.length && !term.mismatchLabelKeys?.length)) return selector;
  const own = (keys: readonly string[] = [], operator: string) =>
    keys.flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const matchExpressions = [
    ...(selector.matchExpressions ?? []),
    ...own(term.matchLabelKeys, 'In'),
    ...own(term.mismatchLabelKeys, 'NotIn'),
  ];
  return { ...selector, matchExpressions };
}

export function requiredTerms(pod: Pod, field: 'podAffinity' | 'podAntiAffinity'): readonly PodAffinityTerm[] {
  return pod.spec.affinity?.[field]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}

export function preferredTerms(pod: Pod, field: 'podAffinity' | 'podAntiAffinity'): readonly WeightedPodAffinityTerm[] {
  return pod.spec.affinity?.[field]?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

export type HeldKind = 'forbids' | 'wants' | 'prefers';

/** One term, and where the pods are that hold it. For 'prefers', a domain's count is the sum of the weights. */
export interface Held {
  readonly kind: HeldKind;
  readonly term: Term;
  readonly counts: TopologyCounts;
}

/** So many terms that nobody holds any more are kept. */
const mostUnheld = 256;

interface HeldTerm {
  readonly id: string;
  readonly kind: HeldKind;
  readonly term: Term;
  readonly weight: number;
}

interface Holding extends Held {
  /** By uid. */
  weightOf: Map<string, number>;
  holders: number;
}

/** The terms of all pods that are placed: a thousand pods of one Deployment hold the same one. */
export class HeldTerms {
  readonly #held = new Map<string, Holding>();
  /** Of placed pods, by uid. */
  readonly #termsOf = new Map<string, readonly HeldTerm[]>();
  readonly #labelsOf: LabelsOf;
  readonly #nodes: () => Iterable<NodeInfo>;
  #unheld = 0;
  /** Changes whenever a term comes or goes. */
  version = 0;

  constructor(labelsOf: LabelsOf, nodes: () => Iterable<NodeInfo>) {
    this.#labelsOf = labelsOf;
    this.#nodes = nodes;
  }

  /** Those that mean this pod. */
  about(pod: Pod): Held[] {
    const found: Held[] = [];
    for (const held of this.#held.values()) if (held.term.matches(pod)) found.push(held);
    return found;
  }

  addPod(node: NodeInfo, pod: Pod): void {
    const { affinity } = pod.spec;
    if (affinity?.podAffinity === undefined && affinity?.podAntiAffinity === undefined) return;
    for (const { id, kind, term, weight } of this.#terms(pod)) {
      let held = this.#held.get(id);
      if (held === undefined) this.#held.set(id, (held = this.#begin(kind, term)));
      if (held.holders++ === 0) this.#unheld--;
      held.weightOf.set(pod.metadata.uid!, (held.weightOf.get(pod.metadata.uid!) ?? 0) + weight);
      held.counts.addWeight(node, weight);
    }
  }

  removePod(node: NodeInfo, pod: Pod): void {
    const { affinity } = pod.spec;
    if (affinity?.podAffinity === undefined && affinity?.podAntiAffinity === undefined) return;
    for (const { id, weight } of this.#terms(pod)) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      held.counts.addWeight(node, -weight);
      held.weightOf.delete(pod.metadata.uid!);
      // kept for a while: whoever tries what would be without the pod brings it back at once
      if (--held.holders === 0) this.#unheld++;
    }
    this.#termsOf.delete(pod.metadata.uid!);
  }

  addNode(node: NodeInfo): void {
    for (const { counts } of this.#held.values()) counts.addNode(node);
  }

  removeNode(node: NodeInfo): void {
    for (const { counts } of this.#held.values()) counts.removeNode(node);
  }

  #begin(kind: HeldKind, term: Term): Holding {
    this.version++;
    if (this.#unheld > mostUnheld) this.#forgetUnheld();
    this.#unheld++;
    const weightOf = new Map<string, number>();
    const counting: Counting = { topologyKey: term.topologyKey, weigh: (pod) => weightOf.get(pod.metadata.uid!) ?? 0 };
    return { kind, term, counts: new TopologyCounts(counting, this.#nodes()), weightOf, holders: 0 };
  }

  #forgetUnheld(): void {
    for (const [id, { holders }] of this.#held) if (holders === 0) this.#held.delete(id);
    this.#unheld = 0;
  }

  #terms(pod: Pod): readonly HeldTerm[] {
    const uid = pod.metadata.uid!;
    let terms = this.#termsOf.get(uid);
    if (terms === undefined) this.#termsOf.set(uid, (terms = this.#compile(pod)));
    return terms;
  }

  #compile(pod: Pod): HeldTerm[] {
    const terms: HeldTerm[] = [];
    const add = (kind: HeldKind, from: PodAffinityTerm, weight: number) => {
      const term = compileTerm(pod, from, this.#labelsOf);
      terms.push({ id: `${kind}|${term.topologyKey}|${term.id}`, kind, term, weight });
    };
    for (const term of requiredTerms(pod, 'podAntiAffinity')) add('forbids', term, 1);
    for (const term of requiredTerms(pod, 'podAffinity')) add('wants', term, 1);
    for (const { podAffinityTerm, weight } of preferredTerms(pod, 'podAffinity'))
      add('prefers', podAffinityTerm, weight);
    for (const { podAffinityTerm, weight } of preferredTerms(pod, 'podAntiAffinity'))
      add('prefers', podAffinityTerm, -weight);
    return terms;
  }
}
