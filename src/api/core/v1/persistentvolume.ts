import { cause, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text, wide } from '../../columns.ts';
import type { PersistentVolume } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, nonNegativeQuantity, oneOf } from '../../rules.ts';
import { formatAccessModes, validateAccessModes } from './persistentvolumeclaim.ts';

const plainFields = [
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
];

export const persistentVolume: Override<PersistentVolume> = {
  selectableFields: { 'status.phase': (object) => object.status?.phase ?? '' },
  default(object) {
    object.status = { ...object.status, phase: object.status?.phase || 'Pending' };
    object.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    object.spec.volumeMode ??= 'Filesystem';
    if (object.spec.hostPath) object.spec.hostPath.type ??= '';
  },
  prepare(object, old) {
    if (!old) object.status = { phase: 'Pending' };
  },
  validate: validateVolume,
  columns: [
    nameColumn,
    text('Capacity', ({ spec }: PersistentVolume) => spec.capacity?.storage ?? ''),
    text('Access Modes', ({ spec }: PersistentVolume) => formatAccessModes(spec.accessModes)),
    text('Reclaim Policy', ({ spec }: PersistentVolume) => spec.persistentVolumeReclaimPolicy ?? ''),
    text('Status', ({ metadata, status }: PersistentVolume) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    text('Claim', ({ spec }: PersistentVolume) =>
      spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '',
    ),
    text('StorageClass', ({ spec }: PersistentVolume) => spec.storageClassName ?? ''),
    text('VolumeAttributesClass', ({ spec }: PersistentVolume) => spec.volumeAttributesClassName ?? '<unset>'),
    text('Reason', ({ status }: PersistentVolume) => status?.reason ?? ''),
    ageColumn,
    wide('VolumeMode', ({ spec }: PersistentVolume) => spec.volumeMode ?? '<unset>'),
  ],
};

const sourceOf = (spec: PersistentVolume['spec']) => Object.keys(spec).filter((name) => !plainFields.includes(name));

function validateVolume({ spec }: PersistentVolume, old: PersistentVolume | undefined): StatusCause[] {
  const causes = validateAccessModes(spec.accessModes, 'spec.accessModes');
  if (!spec.capacity || Object.keys(spec.capacity).length === 0) causes.push(cause.required('spec.capacity'));
  else if (spec.capacity.storage === undefined)
    causes.push(cause.notSupported('spec.capacity', spec.capacity, ['storage']));
  else causes.push(...nonNegativeQuantity('spec.capacity[storage]', spec.capacity.storage));
  causes.push(
    ...oneOf('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']),
  );
  causes.push(...oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem'], true));
  const sources = sourceOf(spec);
  if (sources.length === 0) causes.push(cause.required('spec', 'must specify a volume type'));
  for (const extra of sources.slice(1))
    causes.push(cause.forbidden(`spec.${extra}`, 'may not specify more than 1 volume type'));
  if (spec.local && !spec.nodeAffinity)
    causes.push(cause.required('metadata.annotations', 'Local volume requires node affinity'));
  if (!old) return causes;
  const source = (of: PersistentVolume['spec']) =>
    Object.fromEntries(sourceOf(of).map((name) => [name, (of as any)[name]]));
  if (immutable('', source(spec), source(old.spec)).length > 0)
    causes.push(
      cause.forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'),
    );
  return [...causes, ...immutable('spec.volumeMode', spec.volumeMode, old.spec.volumeMode)];
}
