import { nameColumn, text } from '../../columns.ts';
import type { StorageVersionMigration } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { cause } from '../../../machinery/index.ts';
import { immutable, required } from '../../rules.ts';

const isTrue = ({ status }: StorageVersionMigration, type: string): boolean =>
  status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;

export const storageVersionMigration: Override<StorageVersionMigration> = {
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate(object, old) {
    const causes = required('spec.resource.resource', object.spec.resource?.resource, 'resource is required to be set');
    if (old === undefined) return causes;
    const { conditions, resourceVersion } = object.status ?? {};
    causes.push(...immutable('spec', object.spec, old.spec));
    if (old.status?.resourceVersion)
      causes.push(...immutable('status.resourceVersion', resourceVersion, old.status.resourceVersion));
    const wrong = (why: string) => causes.push(cause.invalid('status.conditions', conditions, why));
    if (isTrue(object, 'Succeeded') && isTrue(object, 'Failed'))
      wrong('Both success and failed conditions cannot be true at the same time');
    if (isTrue(old, 'Succeeded') && !isTrue(object, 'Succeeded'))
      wrong('Success condition cannot be set to false once it is true');
    if (isTrue(old, 'Failed') && !isTrue(object, 'Failed'))
      wrong('Failed condition cannot be set to false once it is true');
    return causes;
  },
  columns: [
    nameColumn,
    text('Resource', ({ spec }: StorageVersionMigration) =>
      spec.resource?.group ? `${spec.resource.resource}.${spec.resource.group}` : (spec.resource?.resource ?? ''),
    ),
    text(
      'Status',
      ({ status }: StorageVersionMigration) =>
        status?.conditions?.findLast(
          ({ type, status: is }) => is === 'True' && ['Running', 'Failed', 'Succeeded'].includes(type),
        )?.type ?? 'Unknown',
    ),
  ],
};
