import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { Lease } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { nonNegative, positive } from '../../rules.ts';

export const lease: Override<Lease> = {
  validate: ({ spec }) => [
    ...positive('spec.leaseDurationSeconds', spec.leaseDurationSeconds),
    ...nonNegative('spec.leaseTransitions', spec.leaseTransitions),
  ],
  columns: [nameColumn, text('Holder', ({ spec }: Lease) => spec.holderIdentity ?? ''), ageColumn],
};
