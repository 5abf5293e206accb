import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/index.ts';
import { normalizeByMax, type Plugin } from '../framework.ts';

/** Whether a term of a node selector holds for a node; a term without requirements holds for none. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    matchExpressions.every((one: NodeSelectorRequirement) => matches(one, labels[one.key])) &&
    matchFields.every((one: NodeSelectorRequirement) =>
      matches(one, one.key === 'metadata.name' ? node.metadata.name : undefined),
    )
  );
}

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
      return value !== undefined && Number.parseInt(value, 10) > Number.parseInt(values[0] ?? '', 10);
    case 'Lt':
      return value !== undefined && Number.parseInt(value, 10) < Number.parseInt(values[0] ?? '', 10);
    default:
      return false;
  }
}

/** The pod's nodeSelector and required node affinity. */
export function fitsNode(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const { nodeSelector } = pod.spec;
  for (const label in nodeSelector) if (labels[label] !== nodeSelector[label]) return false;
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term: NodeSelectorTerm) => matchesTerm(term, node));
}

export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  weight: 2,
  filter: ({ pod }, { node }) =>
    fitsNode(pod, node)
      ? undefined
      : { reason: "node(s) didn't match Pod's node affinity/selector", unresolvable: true },
  preScore: ({ pod }) =>
    (pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0,
  score({ pod }, { node }) {
    let score = 0;
    for (const { preference, weight } of pod.spec.affinity?.nodeAffinity
      ?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
      if (matchesTerm(preference, node)) score += weight;
    return score;
  },
  normalize: (_cycle, scores) => normalizeByMax(scores),
  events: ['NodeAdd', 'NodeUpdate', 'SelfUpdate'],
};
