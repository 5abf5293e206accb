import { cause, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, integer, nameColumn, text } from '../../columns.ts';
import type { PodDisruptionBudget } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { countOrPercent, notOverWhole, oneOf, validateSelector } from '../../rules.ts';

export const podDisruptionBudget: Override<PodDisruptionBudget> = {
  countsGenerations: true,
  prepare(object, old) {
    if (!old) object.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  validate({ spec }): StatusCause[] {
    const { minAvailable, maxUnavailable } = spec;
    const causes: StatusCause[] = [];
    if (minAvailable !== undefined && maxUnavailable !== undefined)
      causes.push(cause.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'));
    causes.push(
      ...countOrPercent('spec.minAvailable', minAvailable),
      ...notOverWhole('spec.minAvailable', minAvailable),
    );
    causes.push(
      ...countOrPercent('spec.maxUnavailable', maxUnavailable),
      ...notOverWhole('spec.maxUnavailable', maxUnavailable),
    );
    causes.push(...validateSelector(spec.selector, 'spec.selector'));
    return [
      ...causes,
      ...oneOf(
        'spec.unhealthyPodEvictionPolicy',
        spec.unhealthyPodEvictionPolicy,
        ['AlwaysAllow', 'IfHealthyBudget'],
        true,
      ),
    ];
  },
  columns: [
    nameColumn,
    text('Min Available', ({ spec }: PodDisruptionBudget) => String(spec.minAvailable ?? 'N/A')),
    text('Max Unavailable', ({ spec }: PodDisruptionBudget) => String(spec.maxUnavailable ?? 'N/A')),
    integer('Allowed Disruptions', ({ status }: PodDisruptionBudget) => status?.disruptionsAllowed),
    ageColumn,
  ],
};
