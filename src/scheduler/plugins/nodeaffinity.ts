import type {
  Node,
  NodeAffinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Pod,
} from '../../api/index.ts';
import { normalizeByMax, type Plugin, type Rejection } from '../framework.ts';

/** Whether a term of a node selector holds for a node; a term without requirements holds for none. */
export function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    matchExpressions.every((one) => matches(one, labels[one.key])) &&
    matchFields.every((one) => matches(one, one.key === 'metadata.name' ? node.metadata.name : undefined))
  );
}

export function matchesNodeSelector({ nodeSelectorTerms }: NodeSelector, node: Node): boolean {
  return nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

const integer = /^[+-]?\d{1,19}$/;

function matches({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const [bound] = values;
      if (value === undefined || bound === undefined || !integer.test(value) || !integer.test(bound)) return false;
      return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
    default:
      return false;
  }
}

/** The pod's nodeSelector and required node affinity. */
export function fitsNode({ spec }: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const label in spec.nodeSelector) if (labels[label] !== spec.nodeSelector[label]) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, node);
}

/** The names of the only nodes that can be meant, if the pod says so by name: a DaemonSet's does. */
function named({ spec }: Pod): ReadonlySet<string> | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms === undefined) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const lists = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (lists.length === 0) return undefined;
    for (const name of lists[0]!.values ?? []) if (lists.every(({ values }) => values?.includes(name))) names.add(name);
  }
  return names;
}

const mismatch: Rejection = { reason: "node(s) didn't match Pod's node affinity/selector", unresolvable: true };
const enforced: Rejection = { reason: "node(s) didn't match scheduler-enforced node affinity", unresolvable: true };
const conflict: Rejection = { reason: 'pod affinity terms conflict', unresolvable: true };

export interface NodeAffinityArgs {
  /** For every pod of the profile. */
  addedAffinity?: NodeAffinity;
}

export const nodeAffinity = ({ addedAffinity }: NodeAffinityArgs = {}): Plugin => {
  const added = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const preferred = (pod: Pod) => [
    ...(pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
  ];
  return {
    name: 'NodeAffinity',
    weight: 2,
    local: true,
    preFilter({ pod }) {
      const { nodeSelector, affinity } = pod.spec;
      const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      if (added === undefined && required === undefined && Object.keys(nodeSelector ?? {}).length === 0) return 'skip';
      const names = named(pod);
      return names?.size === 0 ? conflict : names;
    },
    filter({ pod }, { node }) {
      if (added !== undefined && !matchesNodeSelector(added, node)) return enforced;
      return fitsNode(pod, node) ? undefined : mismatch;
    },
    preScore: ({ pod }) => preferred(pod).length > 0,
    score({ pod }, { node }) {
      let score = 0;
      for (const { preference, weight } of preferred(pod)) if (matchesTerm(preference, node)) score += weight;
      return score;
    },
    normalize: (_cycle, scores, _nodes, count) => normalizeByMax(scores, count),
    events: ['NodeAdd', 'NodeUpdate'],
    helps: (pod, _event, old, node) =>
      fitsNode(pod, node as Node) && (old === undefined || !fitsNode(pod, old as Node)),
  };
};
