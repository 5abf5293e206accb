import { cause, equalJson } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { VolumeAttributesClass } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, required } from '../../rules.ts';

export const volumeAttributesClass: Override<VolumeAttributesClass> = {
  validate: (object, old) => [
    ...required('driverName', object.driverName),
    ...(old ? immutable('driverName', object.driverName, old.driverName) : []),
    ...(old && !equalJson(object.parameters, old.parameters)
      ? [cause.forbidden('parameters', 'updates to parameters are forbidden.')]
      : []),
  ],
  columns: [nameColumn, text('DriverName', (object: VolumeAttributesClass) => object.driverName ?? ''), ageColumn],
};
