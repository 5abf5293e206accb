import { StatusError } from '../../../machinery/index.ts';
import type { AdmissionRequest } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import type { Versioned } from '../dynamic/index.ts';
import type { Hook } from './hooks.ts';

/** Whether the webhook's own conditions let it be asked. */
export function chosenBy(
  { webhook }: Hook,
  _request: AdmissionRequest,
  _served: ServedResource,
  _seen: Versioned,
): boolean {
  if (!webhook.matchConditions?.length || webhook.failurePolicy === 'Ignore') return !webhook.matchConditions?.length;
  throw StatusError.internal(
    `webhook ${JSON.stringify(webhook.name)} has matchConditions, which are not evaluated yet`,
  );
}
