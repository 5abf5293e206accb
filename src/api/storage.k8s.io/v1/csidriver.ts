import { ageColumn, boolean, nameColumn, orNone, text } from '../../columns.ts';
import type { CSIDriver } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, immutable, oneOf } from '../../rules.ts';

export const csiDriver: Override<CSIDriver> = {
  countsGenerations: true,
  default({ spec }) {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate: ({ spec }, old) => [
    ...oneOf('spec.fsGroupPolicy', spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], true),
    ...each('spec.volumeLifecycleModes', spec.volumeLifecycleModes, (mode, at) =>
      oneOf(at, mode, ['Ephemeral', 'Persistent']),
    ),
    ...(old ? immutable('spec.attachRequired', spec.attachRequired, old.spec.attachRequired) : []),
  ],
  columns: [
    nameColumn,
    boolean('AttachRequired', ({ spec }: CSIDriver) => spec.attachRequired ?? true),
    boolean('PodInfoOnMount', ({ spec }: CSIDriver) => spec.podInfoOnMount),
    boolean('StorageCapacity', ({ spec }: CSIDriver) => spec.storageCapacity),
    text(
      'TokenRequests',
      ({ spec }: CSIDriver) => spec.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>',
    ),
    boolean('RequiresRepublish', ({ spec }: CSIDriver) => spec.requiresRepublish),
    text('Modes', ({ spec }: CSIDriver) => orNone(spec.volumeLifecycleModes?.join(','))),
    ageColumn,
  ],
};
