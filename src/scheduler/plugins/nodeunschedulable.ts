import type { Toleration } from '../../api/index.ts';
import type { Plugin } from '../framework.ts';
import { tolerates } from './tainttoleration.ts';

const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  filter: ({ pod }, { node }) =>
    node.spec?.unschedulable && !(pod.spec.tolerations ?? []).some((one: Toleration) => tolerates(one, taint))
      ? { reason: 'node(s) were unschedulable', unresolvable: true }
      : undefined,
  events: ['NodeAdd', 'NodeUpdate'],
};
