import { cause, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, boolean, integer, nameColumn, text } from '../../columns.ts';
import type { PriorityClass } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { oneOf } from '../../rules.ts';

const highestForUsers = 1_000_000_000;
const systemClasses: Record<string, number> = {
  __proto__: null as never,
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

export const priorityClass: Override<PriorityClass> = {
  default(object) {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate(object, old): StatusCause[] {
    const { metadata, value = 0 } = object;
    const name = metadata.name ?? '';
    const causes: StatusCause[] = [];
    if (name.startsWith('system-')) {
      if (systemClasses[name] !== value)
        causes.push(
          cause.forbidden(
            'metadata.name',
            `priority class names with 'system-' prefix are reserved for system use only`,
          ),
        );
    } else if (value > highestForUsers)
      causes.push(cause.forbidden('value', `maximum allowed value of a user defined priority is ${highestForUsers}`));
    causes.push(...oneOf('preemptionPolicy', object.preemptionPolicy, ['Never', 'PreemptLowerPriority'], true));
    if (old && value !== (old.value ?? 0)) causes.push(cause.invalid('value', value, 'field is immutable'));
    if (old && object.preemptionPolicy !== old.preemptionPolicy)
      causes.push(cause.invalid('preemptionPolicy', object.preemptionPolicy, 'field is immutable'));
    return causes;
  },
  columns: [
    nameColumn,
    integer('Value', (object: PriorityClass) => object.value),
    boolean('Global-Default', (object: PriorityClass) => object.globalDefault),
    ageColumn,
    text('PreemptionPolicy', (object: PriorityClass) => object.preemptionPolicy ?? ''),
  ],
};
