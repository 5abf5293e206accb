import type { Node, Pod, Taint, Toleration } from '../../api/index.ts';
import { normalizeByMax, type Plugin, type Rejection } from '../framework.ts';

const integer = /^[+-]?\d{1,19}$/;

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const { operator = 'Equal', value = '' } = toleration;
  if (operator === 'Exists') return true;
  if (operator === 'Equal') return !!toleration.key && value === (taint.value ?? '');
  if (!integer.test(value) || !integer.test(taint.value ?? '')) return false;
  const [asked, has] = [BigInt(value), BigInt(taint.value!)];
  return operator === 'Lt' ? has < asked : operator === 'Gt' && has > asked;
}

/** A taint that keeps the pod off the node, if there is one. */
export function untolerated({ spec }: Pod, taints: readonly Taint[] | undefined): Taint | undefined {
  return taints?.find(
    (taint) =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') &&
      !spec.tolerations?.some((one) => tolerates(one, taint)),
  );
}

const tainted: Rejection = { reason: 'node(s) had untolerated taint(s)', unresolvable: true };

export const taintToleration = (): Plugin => ({
  name: 'TaintToleration',
  weight: 3,
  local: true,
  filter: ({ pod }, { node }) => (untolerated(pod, node.spec?.taints) === undefined ? undefined : tainted),
  preScore: ({ snapshot }) => snapshot.softTaints > 0,
  score({ pod }, { node }) {
    const tolerations = pod.spec.tolerations?.filter((one) => !one.effect || one.effect === 'PreferNoSchedule');
    let score = 0;
    for (const taint of node.spec?.taints ?? [])
      if (taint.effect === 'PreferNoSchedule' && !tolerations?.some((one) => tolerates(one, taint))) score++;
    return score;
  },
  normalize: (_cycle, scores, _nodes, count) => normalizeByMax(scores, count, true),
  events: ['NodeAdd', 'NodeUpdate', 'SelfUpdate'],
  helps: (pod, event, _old, object) =>
    event === 'SelfUpdate' || untolerated(pod, (object as Node).spec?.taints) === undefined,
});
