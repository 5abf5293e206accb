import { nameColumn, orNone, text } from '../../columns.ts';
import type { ClusterTrustBundle } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { required } from '../../rules.ts';

export const clusterTrustBundle: Override<ClusterTrustBundle> = {
  nameRule: 'path',
  selectableFields: { 'spec.signerName': (object) => object.spec.signerName ?? '' },
  validate: ({ spec }) => required('spec.trustBundle', spec.trustBundle),
  columns: [nameColumn, text('SignerName', ({ spec }: ClusterTrustBundle) => orNone(spec.signerName))],
};
