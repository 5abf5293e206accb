import { type AnyObject, StatusError } from '../../machinery/index.ts';
import type { AdmissionStep } from '../registry/context.ts';
import { all, lookup } from './lookup.ts';

const priorityClasses = { group: 'scheduling.k8s.io', version: 'v1', resource: 'priorityclasses' };

/** A pod's priority is the number of its priority class; without one, the default class's, or 0. */
export const priority: AdmissionStep = {
  name: 'Priority',
  resources: ['/pods'],
  operations: ['CREATE', 'UPDATE'],
  async admit({ registry, call, object, old, operation }) {
    if (call.subresource !== '') return;
    const { spec, metadata } = object!;
    if (operation === 'UPDATE') return keep(spec, old!.spec);
    let chosen: AnyObject | undefined;
    if (spec.priorityClassName) {
      chosen = await lookup(registry, priorityClasses, '', spec.priorityClassName);
      if (chosen === undefined)
        throw StatusError.forbidden(
          call.served.kind,
          metadata.name ?? '',
          `no PriorityClass with name ${spec.priorityClassName} was found`,
        );
    } else {
      const defaults = (await all(registry, priorityClasses)).filter((one) => one.globalDefault === true);
      chosen = defaults.toSorted((a, b) => a.value - b.value)[0];
      if (chosen !== undefined) spec.priorityClassName = chosen.metadata.name;
    }
    const value = chosen?.value ?? 0;
    if (spec.priority !== undefined && spec.priority !== value)
      throw StatusError.forbidden(
        call.served.kind,
        metadata.name ?? '',
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      );
    spec.priority = value;
    spec.preemptionPolicy ??= chosen?.preemptionPolicy ?? 'PreemptLowerPriority';
  },
};

/** What was computed, and is not said by who replaces the pod, stays. */
function keep(spec: AnyObject['spec'], old: AnyObject['spec']): void {
  spec.priority ??= old.priority;
  spec.preemptionPolicy ??= old.preemptionPolicy;
}
