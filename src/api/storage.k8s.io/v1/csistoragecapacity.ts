import { nameColumn, text } from '../../columns.ts';
import type { CSIStorageCapacity } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, nonNegativeQuantity, required } from '../../rules.ts';

export const csiStorageCapacity: Override<CSIStorageCapacity> = {
  validate: (object, old) => [
    ...required('storageClassName', object.storageClassName),
    ...(object.capacity === undefined ? [] : nonNegativeQuantity('capacity', object.capacity)),
    ...(old ? immutable('storageClassName', object.storageClassName, old.storageClassName) : []),
    ...(old ? immutable('nodeTopology', object.nodeTopology, old.nodeTopology) : []),
  ],
  columns: [
    nameColumn,
    text('StorageClassName', (object: CSIStorageCapacity) => object.storageClassName ?? ''),
    text('Capacity', (object: CSIStorageCapacity) => object.capacity ?? '<unset>'),
  ],
};
