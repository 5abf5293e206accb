import type { Node } from '../../api/index.ts';
import type { Plugin, Rejection } from '../framework.ts';
import { tolerates } from './tainttoleration.ts';

const unschedulable: Rejection = { reason: 'node(s) were unschedulable', unresolvable: true };
const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

export const nodeUnschedulable = (): Plugin => ({
  name: 'NodeUnschedulable',
  local: true,
  preFilter: ({ pod }) => (pod.spec.tolerations?.some((one) => tolerates(one, taint)) ? 'skip' : undefined),
  filter: (_cycle, { node }) => (node.spec?.unschedulable ? unschedulable : undefined),
  events: ['NodeAdd', 'NodeUpdate'],
  helps: (_pod, _event, _old, node) => (node as Node).spec?.unschedulable !== true,
});
