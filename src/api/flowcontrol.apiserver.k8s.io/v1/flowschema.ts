import { ageColumn, integer, nameColumn, orNone, text } from '../../columns.ts';
import type { FlowSchema } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { oneOf, required, within } from '../../rules.ts';

export const flowSchema: Override<FlowSchema> = {
  countsGenerations: true,
  default({ spec }) {
    if (spec) spec.matchingPrecedence ||= 1000;
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }) => [
    ...required('spec.priorityLevelConfiguration.name', spec.priorityLevelConfiguration?.name),
    ...within('spec.matchingPrecedence', spec.matchingPrecedence, 1, 10_000),
    ...oneOf('spec.distinguisherMethod.type', spec.distinguisherMethod?.type, ['ByNamespace', 'ByUser'], true),
  ],
  columns: [
    nameColumn,
    text('PriorityLevel', ({ spec }: FlowSchema) => spec.priorityLevelConfiguration?.name ?? ''),
    integer('MatchingPrecedence', ({ spec }: FlowSchema) => spec.matchingPrecedence),
    text('DistinguisherMethod', ({ spec }: FlowSchema) => orNone(spec.distinguisherMethod?.type)),
    ageColumn,
    text(
      'MissingPL',
      ({ status }: FlowSchema) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
};
