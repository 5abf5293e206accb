import { labelProblems } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import { roundToMillis } from '../../core/v1/podspec.ts';
import { validateTolerations } from '../../core/v1/podscheduling.ts';
import type { RuntimeClass } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, named, nonNegativeQuantity } from '../../rules.ts';

export const runtimeClass: Override<RuntimeClass> = {
  default(object) {
    if (object.overhead?.podFixed) roundToMillis(object.overhead.podFixed);
  },
  validate: (object, old) => [
    ...named('handler', object.handler, labelProblems),
    ...Object.entries(object.overhead?.podFixed ?? {}).flatMap(([name, amount]) =>
      nonNegativeQuantity(`overhead.podFixed[${name}]`, amount),
    ),
    ...validateTolerations(object.scheduling?.tolerations, 'scheduling.tolerations'),
    ...(old ? immutable('handler', object.handler, old.handler) : []),
  ],
  columns: [nameColumn, text('Handler', (object: RuntimeClass) => object.handler ?? ''), ageColumn],
};
