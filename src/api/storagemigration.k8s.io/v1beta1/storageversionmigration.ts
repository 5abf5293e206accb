import { nameColumn, text } from '../../columns.ts';
import type { StorageVersionMigration } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { required } from '../../rules.ts';

export const storageVersionMigration: Override<StorageVersionMigration> = {
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }) => required('spec.resource.resource', spec.resource?.resource),
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
