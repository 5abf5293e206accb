/** Rules for what containers, and Pods as a whole, ask of a node. */
import { cause, compareQuantities, quantityMilliValue, type StatusCause } from '../../../machinery/index.ts';
import type { ResourceRequirements } from '../../gen/types.ts';
import { nonNegativeQuantity } from '../../rules.ts';

const standardResources = ['cpu', 'memory', 'ephemeral-storage', 'storage'];

/** Resources of a container, or of a Pod as a whole. */
export function validateResources(resources: ResourceRequirements | undefined, at: string): StatusCause[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const causes: StatusCause[] = [];
  for (const [part, list] of [
    ['limits', limits],
    ['requests', requests],
  ] as const)
    for (const [name, amount] of Object.entries(list)) {
      const path = `${at}.${part}[${name}]`;
      if (!name.includes('/') && !standardResources.includes(name) && !name.startsWith('hugepages-'))
        causes.push(
          cause.invalid(path, name, 'must be a standard resource type or fully qualified'),
          cause.invalid(path, name, 'must be a standard resource for containers'),
        );
      causes.push(...nonNegativeQuantity(path, amount));
      const whole = name.includes('/') && quantityMilliValue(amount) % 1000 !== 0;
      if (whole) causes.push(cause.invalid(path, amount, 'must be an integer'));
    }
  for (const [name, request] of Object.entries(requests)) {
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
    const overcommits = !name.includes('/') && !name.startsWith('hugepages-');
    if (limit === undefined) {
      if (!overcommits)
        causes.push(cause.required(`${at}.limits`, 'Limit must be set for non overcommitable resources'));
    } else if (!overcommits && compareQuantities(request, limit) !== 0)
      causes.push(cause.invalid(`${at}.requests`, request, `must be equal to ${name} limit of ${limit}`));
    else if (compareQuantities(request, limit) > 0)
      causes.push(cause.invalid(`${at}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`));
  }
  return causes;
}
