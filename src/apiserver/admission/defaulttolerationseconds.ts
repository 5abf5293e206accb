import type { AdmissionStep } from '../registry/context.ts';

const seconds = 300;
const taints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** A pod stays for five minutes on a node that is not heard of, unless it says otherwise. */
export const defaultTolerationSeconds: AdmissionStep = {
  name: 'DefaultTolerationSeconds',
  resources: ['/pods'],
  operations: ['CREATE', 'UPDATE'],
  admit({ call, object }) {
    if (call.subresource !== '') return;
    const { spec } = object!;
    const tolerations: { key?: string; effect?: string; operator?: string }[] = spec.tolerations ?? [];
    for (const key of taints) {
      const tolerated = tolerations.some(
        (one) => (one.key === key || !one.key) && (one.effect === 'NoExecute' || !one.effect),
      );
      if (!tolerated)
        (spec.tolerations ??= []).push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds });
    }
  },
};
