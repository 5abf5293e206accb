import type { Plugin } from '../framework.ts';

export const schedulingGates = (): Plugin => ({
  name: 'SchedulingGates',
  preEnqueue({ spec }) {
    const gates = spec.schedulingGates ?? [];
    return gates.length === 0 ? undefined : `waiting for scheduling gates: [${gates.map((one) => one.name).join(' ')}]`;
  },
  events: ['SelfUpdate'],
});
