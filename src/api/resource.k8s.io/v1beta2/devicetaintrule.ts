import { age, ageColumn, nameColumn, text } from '../../columns.ts';
import type { DeviceTaintRule } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { oneOf, required } from '../../rules.ts';

export const deviceTaintRule: Override<DeviceTaintRule> = {
  countsGenerations: true,
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }) => [
    ...required('spec.taint.key', spec.taint?.key),
    ...oneOf('spec.taint.effect', spec.taint?.effect, ['NoExecute', 'NoSchedule', 'None']),
  ],
  columns: [
    nameColumn,
    text('Key', ({ spec }: DeviceTaintRule) => spec.taint?.key ?? ''),
    text('Value', ({ spec }: DeviceTaintRule) => spec.taint?.value ?? ''),
    text('Effect', ({ spec }: DeviceTaintRule) => spec.taint?.effect ?? ''),
    text('TimeAdded', ({ spec }: DeviceTaintRule, now) =>
      spec.taint?.timeAdded ? age(spec.taint.timeAdded, now) : '',
    ),
    ageColumn,
  ],
};
