import { cause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { ServiceCIDR } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { cidr, each, immutable } from '../../rules.ts';

export const serviceCIDR: Override<ServiceCIDR> = {
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ spec }, old) => [
    ...(spec.cidrs?.length ? [] : [cause.required('spec.cidrs', 'at least one CIDR required')]),
    ...((spec.cidrs?.length ?? 0) > 2 ? [cause.invalid('spec.cidrs', spec.cidrs, 'may only hold up to 2 values')] : []),
    ...each('spec.cidrs', spec.cidrs, (range, at) => cidr(at, range)),
    ...(old ? immutable('spec.cidrs', spec.cidrs, old.spec.cidrs) : []),
  ],
  columns: [nameColumn, text('CIDRs', ({ spec }: ServiceCIDR) => (spec.cidrs ?? []).join(',')), ageColumn],
};
