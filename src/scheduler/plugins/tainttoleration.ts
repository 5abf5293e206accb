import type { Taint, Toleration } from '../../api/index.ts';
import { normalizeByMax, type Plugin } from '../framework.ts';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const { operator = 'Equal' } = toleration;
  if (operator === 'Exists') return true;
  if (operator === 'Equal') return toleration.key !== undefined && (toleration.value ?? '') === (taint.value ?? '');
  const [asked, has] = [Number(toleration.value), Number(taint.value)];
  if (!Number.isSafeInteger(asked) || !Number.isSafeInteger(has)) return false;
  return operator === 'Lt' ? has < asked : operator === 'Gt' && has > asked;
}

export const taintToleration: Plugin = {
  name: 'TaintToleration',
  weight: 3,
  filter({ pod }, { node }) {
    const tolerations: Toleration[] = pod.spec.tolerations ?? [];
    const taint = node.spec?.taints?.find(
      (one: Taint) =>
        (one.effect === 'NoSchedule' || one.effect === 'NoExecute') &&
        !tolerations.some((each) => tolerates(each, one)),
    );
    if (taint === undefined) return undefined;
    return { reason: `node(s) had untolerated taint(s)`, unresolvable: true };
  },
  preScore: (_cycle, nodes) =>
    nodes.some(({ node }) => node.spec?.taints?.some((taint: Taint) => taint.effect === 'PreferNoSchedule')),
  score({ pod }, { node }) {
    const tolerations: Toleration[] = (pod.spec.tolerations ?? []).filter(
      (one: Toleration) => !one.effect || one.effect === 'PreferNoSchedule',
    );
    return (node.spec?.taints ?? []).filter(
      (taint: Taint) => taint.effect === 'PreferNoSchedule' && !tolerations.some((one) => tolerates(one, taint)),
    ).length;
  },
  normalize: (_cycle, scores) => normalizeByMax(scores, true),
  events: ['NodeAdd', 'NodeUpdate', 'SelfUpdate'],
};
