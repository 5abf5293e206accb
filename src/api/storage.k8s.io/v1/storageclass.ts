import { cause, qualifiedNameProblems } from '../../../machinery/index.ts';
import { ageColumn, boolean, nameColumn, text } from '../../columns.ts';
import type { StorageClass } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, named, oneOf } from '../../rules.ts';

export const storageClass: Override<StorageClass> = {
  default(object) {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate(object, old) {
    const causes = named('provisioner', object.provisioner?.toLowerCase(), qualifiedNameProblems);
    causes.push(...oneOf('reclaimPolicy', object.reclaimPolicy, ['Delete', 'Retain'], true));
    causes.push(...oneOf('volumeBindingMode', object.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']));
    for (const key of Object.keys(object.parameters ?? {}))
      if (key === '') causes.push(cause.invalid('parameters', key, 'field must not be empty'));
    if (!old) return causes;
    for (const name of ['provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const)
      causes.push(...immutable(name, object[name], old[name]));
    if (immutable('', object.parameters ?? {}, old.parameters ?? {}).length > 0)
      causes.push(cause.forbidden('parameters', 'updates to parameters are forbidden.'));
    return causes;
  },
  columns: [
    {
      ...nameColumn,
      value: ({ metadata }) => (isDefault(metadata.annotations) ? `${metadata.name} (default)` : (metadata.name ?? '')),
    },
    text('Provisioner', (object: StorageClass) => object.provisioner ?? ''),
    text('ReclaimPolicy', (object: StorageClass) => object.reclaimPolicy ?? 'Delete'),
    text('VolumeBindingMode', (object: StorageClass) => object.volumeBindingMode ?? 'Immediate'),
    boolean('AllowVolumeExpansion', (object: StorageClass) => object.allowVolumeExpansion),
    ageColumn,
  ],
};

function isDefault(annotations: Record<string, string> | undefined): boolean {
  return ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'].some(
    (name) => annotations?.[name] === 'true',
  );
}
