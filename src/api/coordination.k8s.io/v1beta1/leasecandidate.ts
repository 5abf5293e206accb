import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { LeaseCandidate } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, required } from '../../rules.ts';

export const leaseCandidate: Override<LeaseCandidate> = {
  validate: ({ spec }, old) => [
    ...required('spec.leaseName', spec.leaseName),
    ...required('spec.binaryVersion', spec.binaryVersion),
    ...required('spec.strategy', spec.strategy),
    ...(old ? immutable('spec.leaseName', spec.leaseName, old.spec.leaseName) : []),
  ],
  columns: [
    nameColumn,
    text('LeaseName', ({ spec }: LeaseCandidate) => spec.leaseName ?? ''),
    text('BinaryVersion', ({ spec }: LeaseCandidate) => spec.binaryVersion ?? ''),
    text('EmulationVersion', ({ spec }: LeaseCandidate) => spec.emulationVersion ?? ''),
    ageColumn,
  ],
};
