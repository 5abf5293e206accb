import { nameColumn, text } from '../../columns.ts';
import type { ComponentStatus } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

const healthy = (object: ComponentStatus) => object.conditions?.find((condition) => condition.type === 'Healthy');

export const componentStatus: Override<ComponentStatus> = {
  columns: [
    nameColumn,
    text(
      'Status',
      (object: ComponentStatus) =>
        ({ True: 'Healthy', False: 'Unhealthy' })[healthy(object)?.status ?? ''] ?? 'Unknown',
    ),
    text('Message', (object: ComponentStatus) => healthy(object)?.message ?? ''),
    text('Error', (object: ComponentStatus) => healthy(object)?.error ?? ''),
  ],
};
