import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { IPAddress } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, ipAddress as address, required } from '../../rules.ts';

export const ipAddress: Override<IPAddress> = {
  nameRule: 'path',
  validate: ({ metadata, spec }, old) => [
    ...address('metadata.name', metadata.name ?? ''),
    ...required('spec.parentRef', spec.parentRef),
    ...(spec.parentRef
      ? [
          ...required('spec.parentRef.resource', spec.parentRef.resource),
          ...required('spec.parentRef.name', spec.parentRef.name),
        ]
      : []),
    ...(old ? immutable('spec.parentRef', spec.parentRef, old.spec.parentRef) : []),
  ],
  columns: [nameColumn, text('ParentRef', parent), ageColumn],
};

function parent({ spec }: IPAddress): string {
  const { group, resource, namespace, name } = spec.parentRef ?? {};
  if (!resource) return '<none>';
  return [group ? `${resource}.${group}` : resource, namespace, name].filter(Boolean).join('/').toLowerCase();
}
