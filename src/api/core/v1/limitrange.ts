import { cause, compareQuantities, type StatusCause } from '../../../machinery/index.ts';
import type { LimitRange, LimitRangeItem } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, required } from '../../rules.ts';

export const limitRange: Override<LimitRange> = {
  default(object) {
    for (const item of object.spec?.limits ?? []) {
      if (item.type !== 'Container') continue;
      const limits = { ...item.max, ...item.default };
      const requests = { ...item.min, ...limits, ...item.defaultRequest };
      if (Object.keys(limits).length > 0) item.default = limits;
      if (Object.keys(requests).length > 0) item.defaultRequest = requests;
    }
  },
  validate: (object) => each('spec.limits', object.spec?.limits, validateItem),
};

/** min ≤ defaultRequest ≤ default ≤ max, resource by resource. */
function validateItem(item: LimitRangeItem, at: string): StatusCause[] {
  const causes = required(`${at}.type`, item.type);
  const order = [
    ['min', item.min],
    ['defaultRequest', item.defaultRequest],
    ['default', item.default],
    ['max', item.max],
  ] as const;
  if (item.type === 'Pod')
    for (const name of ['default', 'defaultRequest'] as const)
      if (item[name] && Object.keys(item[name]).length > 0)
        causes.push(cause.forbidden(`${at}.${name}`, "may not be specified when `type` is 'Pod'"));
  for (const [i, [low, less]] of order.entries())
    for (const [high, more] of order.slice(i + 1))
      for (const [name, amount] of Object.entries(less ?? {}))
        if (more?.[name] !== undefined && compareQuantities(amount, more[name]) > 0)
          causes.push(
            cause.invalid(
              `${at}.${low}[${name}]`,
              amount,
              `${low} value ${amount} is greater than ${high} value ${more[name]}`,
            ),
          );
  return causes;
}
