import { cause, equalJson } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { required } from '../../rules.ts';

function defaultRequests(spec: ResourceClaim['spec'] | undefined): void {
  for (const request of spec?.devices?.requests ?? [])
    for (const part of [request.exactly, ...(request.firstAvailable ?? [])]) {
      if (!part) continue;
      part.allocationMode ||= 'ExactCount';
      if (part.allocationMode === 'ExactCount') part.count ||= 1;
      for (const toleration of part.tolerations ?? []) toleration.operator ||= 'Equal';
    }
}

export const resourceClaim: Override<ResourceClaim> = {
  default: ({ spec }) => defaultRequests(spec),
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }, old) =>
    old && !equalJson(spec, old.spec) ? [cause.invalid('spec', spec, 'field is immutable')] : [],
  columns: [nameColumn, text('State', state), ageColumn],
};

function state({ metadata, status }: ResourceClaim): string {
  const words = metadata.deletionTimestamp ? ['deleted'] : [];
  if (status?.allocation) words.push('allocated', ...(status.reservedFor?.length ? ['reserved'] : []));
  else if (!metadata.deletionTimestamp) words.push('pending');
  return words.join(',');
}

export const resourceClaimTemplate: Override<ResourceClaimTemplate> = {
  default: ({ spec }) => defaultRequests(spec?.spec),
  validate: ({ spec }, old) =>
    old && !equalJson(spec, old.spec) ? [cause.invalid('spec', spec, 'field is immutable')] : [],
  columns: [nameColumn, ageColumn],
};

export const deviceClass: Override<DeviceClass> = { countsGenerations: true, columns: [nameColumn, ageColumn] };

export const resourceSlice: Override<ResourceSlice> = {
  countsGenerations: true,
  selectableFields: {
    'spec.nodeName': (object) => object.spec.nodeName ?? '',
    'spec.driver': (object) => object.spec.driver ?? '',
  },
  validate: ({ spec }) => [...required('spec.driver', spec.driver), ...required('spec.pool.name', spec.pool?.name)],
  columns: [
    nameColumn,
    text('Node', ({ spec }: ResourceSlice) => spec.nodeName ?? ''),
    text('Driver', ({ spec }: ResourceSlice) => spec.driver ?? ''),
    text('Pool', ({ spec }: ResourceSlice) => spec.pool?.name ?? ''),
    ageColumn,
  ],
};
