import { formatLabels, nameColumn, text, wide } from '../../columns.ts';
import type { PodCertificateRequest } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { cause, equalJson } from '../../../machinery/index.ts';
import { validateSigner } from '../v1/certificatesigningrequest.ts';

export const podCertificateRequest: Override<PodCertificateRequest> = {
  selectableFields: {
    'spec.signerName': (object) => object.spec.signerName ?? '',
    'spec.podName': (object) => object.spec.podName ?? '',
    'spec.nodeName': (object) => object.spec.nodeName ?? '',
  },
  default({ spec }) {
    spec.maxExpirationSeconds ??= 86_400;
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }, old) => [
    ...validateSigner(spec.signerName),
    ...(old && !equalJson(spec, old.spec) ? [cause.invalid('spec', '', 'field is immutable')] : []),
  ],
  columns: [
    nameColumn,
    text('PodName', ({ spec }: PodCertificateRequest) => spec.podName ?? ''),
    text('ServiceAccountName', ({ spec }: PodCertificateRequest) => spec.serviceAccountName ?? ''),
    text('NodeName', ({ spec }: PodCertificateRequest) => spec.nodeName ?? ''),
    text('SignerName', ({ spec }: PodCertificateRequest) => spec.signerName ?? ''),
    text(
      'State',
      ({ status }: PodCertificateRequest) =>
        status?.conditions?.findLast(({ type }) => ['Issued', 'Denied', 'Failed'].includes(type))?.type ?? 'Pending',
    ),
    wide('UnverifiedUserAnnotations', ({ spec }: PodCertificateRequest) =>
      formatLabels(spec.unverifiedUserAnnotations),
    ),
  ],
};
