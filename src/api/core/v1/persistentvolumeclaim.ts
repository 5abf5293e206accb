import { cause, cloneJson, compareQuantities, equalJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text, wide } from '../../columns.ts';
import type { PersistentVolumeClaim } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, oneOf, validateSelector } from '../../rules.ts';

export const persistentVolumeClaim: Override<PersistentVolumeClaim> = {
  default(object) {
    object.status = { ...object.status, phase: object.status?.phase || 'Pending' };
    defaultClaimSpec(object.spec);
  },
  prepare(object, old) {
    if (!old) object.status = { phase: 'Pending' };
  },
  validate: (object, old) => [
    ...validateClaimSpec(object.spec, 'spec'),
    ...(old ? validateChange(object.spec, old) : []),
  ],
  columns: [
    nameColumn,
    text('Status', ({ metadata, status }: PersistentVolumeClaim) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    text('Volume', ({ spec }: PersistentVolumeClaim) => spec.volumeName ?? ''),
    text('Capacity', ({ spec, status }: PersistentVolumeClaim) =>
      spec.volumeName ? (status?.capacity?.storage ?? '0') : '',
    ),
    text('Access Modes', ({ spec, status }: PersistentVolumeClaim) =>
      spec.volumeName ? formatAccessModes(status?.accessModes) : '',
    ),
    text('StorageClass', ({ spec }: PersistentVolumeClaim) => spec.storageClassName ?? ''),
    text('VolumeAttributesClass', ({ spec }: PersistentVolumeClaim) => spec.volumeAttributesClassName ?? '<unset>'),
    ageColumn,
    wide('VolumeMode', ({ spec }: PersistentVolumeClaim) => spec.volumeMode ?? '<unset>'),
  ],
};

export function defaultClaimSpec(spec: PersistentVolumeClaim['spec']): void {
  spec.volumeMode ??= 'Filesystem';
  // Two names for one thing; the newer also takes other namespaces.
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = cloneJson(spec.dataSource);
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace)
    spec.dataSource = cloneJson(spec.dataSourceRef);
}

export const accessModes: Record<string, string> = {
  __proto__: null as never,
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

export function formatAccessModes(modes: readonly string[] | undefined): string {
  return Object.entries(accessModes)
    .flatMap(([mode, short]) => (modes?.includes(mode) ? short : []))
    .join(',');
}

export function validateAccessModes(modes: readonly string[] | undefined, field: string): StatusCause[] {
  if (!modes?.length) return [cause.required(field, 'at least 1 access mode is required')];
  const causes = each(field, modes, (mode) =>
    mode in accessModes ? [] : [cause.notSupported(field, mode, Object.keys(accessModes).toSorted())],
  );
  if (modes.includes('ReadWriteOncePod') && modes.length > 1)
    causes.push(cause.forbidden(field, 'may not use ReadWriteOncePod with other access modes'));
  return causes;
}

export function validateClaimSpec(spec: PersistentVolumeClaim['spec'], field: string): StatusCause[] {
  const causes = validateAccessModes(spec.accessModes, `${field}.accessModes`);
  causes.push(...validateSelector(spec.selector, `${field}.selector`));
  const storage = spec.resources?.requests?.storage;
  if (storage === undefined) causes.push(cause.required(`${field}.resources[storage]`));
  else if (compareQuantities(storage, '0') <= 0)
    causes.push(cause.invalid(`${field}.resources[storage]`, storage, 'must be greater than zero'));
  return [...causes, ...oneOf(`${field}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem'], true)];
}

function validateChange(spec: PersistentVolumeClaim['spec'], { spec: before }: PersistentVolumeClaim): StatusCause[] {
  const like = cloneJson(spec);
  if (!before.volumeName) like.volumeName = before.volumeName;
  if (before.storageClassName === undefined) like.storageClassName = before.storageClassName;
  like.volumeAttributesClassName = before.volumeAttributesClassName;
  like.resources = before.resources;
  if (equalJson(like, before)) return grows(spec, before);
  const told =
    'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
  return [cause.forbidden('spec', told)];
}

function grows(spec: PersistentVolumeClaim['spec'], before: PersistentVolumeClaim['spec']): StatusCause[] {
  const now = spec.resources?.requests?.storage ?? '0';
  const was = before.resources?.requests?.storage ?? '0';
  return compareQuantities(now, was) < 0
    ? [cause.forbidden('spec.resources.requests.storage', 'field can not be less than previous value')]
    : [];
}
