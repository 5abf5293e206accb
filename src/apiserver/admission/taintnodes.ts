import type { AdmissionStep } from '../registry/context.ts';

const notReady = 'node.kubernetes.io/not-ready';

/** A node that has just registered takes no pods until it says that it is ready. */
export const taintNodes: AdmissionStep = {
  name: 'TaintNodesByCondition',
  resources: ['/nodes'],
  operations: ['CREATE'],
  admit({ call, object }) {
    if (call.subresource !== '') return;
    const spec = (object!.spec ??= {});
    const taints: { key: string; effect: string }[] = spec.taints ?? [];
    const ready = object!.status?.conditions?.some(
      (condition: { type: string; status: string }) => condition.type === 'Ready' && condition.status === 'True',
    );
    if (ready || taints.some((taint) => taint.key === notReady && taint.effect === 'NoSchedule')) return;
    spec.taints = [...taints, { key: notReady, effect: 'NoSchedule' }];
  },
};
