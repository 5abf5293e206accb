import type { Node, Pod } from '../../api/index.ts';
import type { Plugin, Rejection } from '../framework.ts';
import { tolerates } from './tainttoleration.ts';

const unschedulable: Rejection = { reason: 'node(s) were unschedulable', unresolvable: true };
const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

export const nodeUnschedulable = (): Plugin => ({
  name: 'NodeUnschedulable',
  local: true,
  preFilter: ({ pod }) => (toleratesIt(pod) ? 'skip' : undefined),
  filter: (_cycle, { node }) => (node.spec?.unschedulable ? unschedulable : undefined),
  events: ['NodeAdd', 'NodeUpdate', 'SelfUpdate'],
  helps: (pod, event, _old, object) =>
    event === 'SelfUpdate' ? toleratesIt(pod) : (object as Node).spec?.unschedulable !== true,
});

function toleratesIt({ spec }: Pod): boolean {
  return spec.tolerations?.some((one) => tolerates(one, taint)) === true;
}
