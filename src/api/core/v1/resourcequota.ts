import { cause, equalJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { ResourceQuota } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, nonNegativeQuantity, oneOf } from '../../rules.ts';

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];

export const resourceQuota: Override<ResourceQuota> = {
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate({ spec }, old): StatusCause[] {
    const causes = Object.entries(spec?.hard ?? {}).flatMap(([name, amount]) =>
      nonNegativeQuantity(`spec.hard[${name}]`, amount),
    );
    causes.push(...each('spec.scopes', spec?.scopes, (scope, at) => oneOf(at, scope, scopes)));
    if (old && !equalJson((spec?.scopes ?? []).toSorted(), (old.spec?.scopes ?? []).toSorted()))
      causes.push(cause.invalid('spec.scopes', spec?.scopes ?? [], 'field is immutable'));
    return causes;
  },
  columns: [
    nameColumn,
    text('Request', (object: ResourceQuota) => formatUse(object, false)),
    text('Limit', (object: ResourceQuota) => formatUse(object, true)),
    ageColumn,
  ],
};

function formatUse({ status }: ResourceQuota, limits: boolean): string {
  const names = Object.keys(status?.hard ?? {}).filter((name) => name.startsWith('limits.') === limits);
  return names
    .toSorted()
    .map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${status?.hard?.[name]}`)
    .join(', ');
}
