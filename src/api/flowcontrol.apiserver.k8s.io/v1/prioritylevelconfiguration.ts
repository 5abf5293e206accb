import { cause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { PriorityLevelConfiguration } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { oneOf } from '../../rules.ts';

export const priorityLevelConfiguration: Override<PriorityLevelConfiguration> = {
  countsGenerations: true,
  default({ spec }) {
    if (spec?.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
    if (!spec?.limited) return;
    spec.limited.nominalConcurrencyShares ??= 30;
    spec.limited.lendablePercent ??= 0;
    const queuing = spec.limited.limitResponse?.queuing;
    if (!queuing) return;
    queuing.handSize ||= 8;
    queuing.queues ||= 64;
    queuing.queueLengthLimit ||= 50;
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }) => [
    ...oneOf('spec.type', spec.type, ['Exempt', 'Limited']),
    ...(spec.type === 'Limited' && !spec.limited
      ? [cause.required('spec.limited', 'must not be empty when type is Limited')]
      : []),
    ...(spec.type === 'Exempt' && spec.limited
      ? [cause.forbidden('spec.limited', 'must be nil if the type is not Limited')]
      : []),
  ],
  columns: [
    nameColumn,
    text('Type', ({ spec }: PriorityLevelConfiguration) => spec.type ?? ''),
    text('NominalConcurrencyShares', ({ spec }: PriorityLevelConfiguration) =>
      String(spec.limited?.nominalConcurrencyShares ?? '<none>'),
    ),
    ...(['Queues', 'HandSize', 'QueueLengthLimit'] as const).map((name) =>
      text(name, ({ spec }: PriorityLevelConfiguration) => {
        const field = `${name[0]!.toLowerCase()}${name.slice(1)}` as 'queues' | 'handSize' | 'queueLengthLimit';
        return String(spec.limited?.limitResponse?.queuing?.[field] ?? '<none>');
      }),
    ),
    ageColumn,
  ],
};
