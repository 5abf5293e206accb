import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { ResourcePoolStatusRequest } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { required } from '../../rules.ts';

export const resourcePoolStatusRequest: Override<ResourcePoolStatusRequest> = {
  default({ spec }) {
    if (spec) spec.limit ??= 100;
  },
  validate: ({ spec }) => required('spec.driver', spec.driver),
  columns: [nameColumn, text('Driver', ({ spec }: ResourcePoolStatusRequest) => spec.driver ?? ''), ageColumn],
};
