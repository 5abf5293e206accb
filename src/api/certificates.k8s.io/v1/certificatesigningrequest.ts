import { cause, cloneJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, humanDuration, nameColumn, orNone, text } from '../../columns.ts';
import type { CertificateSigningRequest } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, oneOf, required } from '../../rules.ts';

export const certificateSigningRequest: Override<CertificateSigningRequest> = {
  selectableFields: { 'spec.signerName': (object) => object.spec.signerName ?? '' },
  prepare(object, old) {
    // Who asks (`spec.username` and the like) is the server's to fill in.
    if (old) object.spec = cloneJson(old.spec);
    else object.status = {};
  },
  validate({ spec, status }): StatusCause[] {
    const causes = required('spec.request', spec.request);
    if (!spec.usages?.length) causes.push(cause.required('spec.usages'));
    causes.push(...validateSigner(spec.signerName));
    if (spec.expirationSeconds !== undefined && spec.expirationSeconds < 600)
      causes.push(
        cause.invalid(
          'spec.expirationSeconds',
          spec.expirationSeconds,
          'may not specify a duration less than 600 seconds (10 minutes)',
        ),
      );
    const conditions = status?.conditions ?? [];
    causes.push(
      ...each('status.conditions', conditions, (condition, at) => {
        const wrong = required(`${at}.type`, condition.type);
        if (['Approved', 'Denied', 'Failed'].includes(condition.type))
          wrong.push(...oneOf(`${at}.status`, condition.status, ['True']));
        return wrong;
      }),
    );
    if (has(conditions, 'Approved') && has(conditions, 'Denied'))
      causes.push(
        cause.invalid('status.conditions', 'Denied', 'Approved and Denied conditions are mutually exclusive'),
      );
    return causes;
  },
  columns: [
    nameColumn,
    ageColumn,
    text('SignerName', ({ spec }: CertificateSigningRequest) => orNone(spec.signerName)),
    text('Requestor', ({ spec }: CertificateSigningRequest) => spec.username ?? ''),
    text('RequestedDuration', ({ spec }: CertificateSigningRequest) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    text('Condition', condition),
  ],
};

const has = (conditions: readonly { type: string }[], type: string) => conditions.some((entry) => entry.type === type);

/** `example.com/name`, or deeper. */
export function validateSigner(name: string | undefined): StatusCause[] {
  if (!name) return [cause.required('spec.signerName')];
  const slash = name.indexOf('/');
  if (slash < 0)
    return [
      cause.invalid(
        'spec.signerName',
        name,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'",
      ),
    ];
  const domain = name.slice(0, slash);
  return domain.includes('.')
    ? []
    : [cause.invalid('spec.signerName', domain, 'should be a domain with at least two segments separated by dots')];
}

function condition({ status }: CertificateSigningRequest): string {
  const conditions = status?.conditions ?? [];
  const words = [has(conditions, 'Denied') ? 'Denied' : has(conditions, 'Approved') ? 'Approved' : 'Pending'];
  if (has(conditions, 'Failed')) words.push('Failed');
  if (status?.certificate) words.push('Issued');
  return words.join(',');
}
