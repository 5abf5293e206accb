import { matchConditionsBudget } from '../../../machinery/cel/index.ts';
import type { AdmissionRequest } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import { bindingsOf, boolType, compiledOf, conditionsHold, environmentOf, type Versioned } from '../dynamic/index.ts';
import { forbidden } from '../lookup.ts';
import type { Hook } from './hooks.ts';

/**
 * Whether the webhook's own conditions let it be asked.
 * @throws Forbidden when one ends in an error, no other says no, and the webhook is not to be passed over.
 */
export function chosenBy(
  { webhook }: Hook,
  request: AdmissionRequest,
  served: ServedResource,
  seen: Versioned,
): boolean {
  if (!webhook.matchConditions?.length) return true;
  const conditions = webhook.matchConditions.map(({ expression }) => compiledOf(expression, environmentOf(), boolType));
  const chosen = conditionsHold(conditions, bindingsOf(request, served, seen), { left: matchConditionsBudget });
  if (chosen.error === undefined) return chosen.matches;
  if (webhook.failurePolicy === 'Ignore') return false;
  throw forbidden(request, chosen.error);
}
