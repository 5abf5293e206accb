import { type ServiceCIDR, serviceCIDRs } from '../api/index.ts';
import type { Controller } from '../client/index.ts';
import { formatTime } from '../machinery/index.ts';

/** The range that the cluster was started with. */
const first = 'kubernetes';

/** Says of each range whether Services are given its addresses: those of further ranges are not, as nothing would route them. */
export const serviceCIDRController: Controller<ServiceCIDR> = {
  name: 'service-cidr-controller',
  account: 'service-cidrs-controller',
  for: serviceCIDRs,
  async reconcile(key, { client, clock, lister }) {
    const range = lister<ServiceCIDR>(serviceCIDRs).get(key);
    if (range === undefined || key === first) return;
    const conditions = range.status?.conditions ?? [];
    if (conditions.some(({ type }) => type === 'Ready')) return;
    const ready = {
      type: 'Ready',
      status: 'False',
      reason: 'NotSupported',
      message: `addresses are given from the range "${first}" only`,

      lastTransitionTime: formatTime(clock.now()),
    };
    const status = { ...range.status, conditions: [...conditions, ready] };
    await client.update<ServiceCIDR>(serviceCIDRs, { ...range, status } as ServiceCIDR, { subresource: 'status' });
  },
};
