/** The verdict on a certificate signing request: of its status only the conditions are written. */
import { type AnyObject, formatTime, StatusError } from '../../machinery/index.ts';
import { type Answer, change, requested, type ResourceCall } from '../registry/index.ts';
import type { SubresourceContext } from './context.ts';

export async function approve({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const { kind } = call.served;
  if (call.patchType === 'apply')
    throw StatusError.unsupportedMediaType(
      'the approval of a certificate signing request is not applied; update or patch it',
    );
  return change(registry, call, {
    part: 'status',
    make: (current) => {
      const wanted = requested(call, current);
      if (wanted.metadata.name !== undefined && wanted.metadata.name !== call.name)
        throw StatusError.badRequest(
          `the name of the object (${wanted.metadata.name}) does not match the name on the URL (${call.name}) of the ${kind.kind}`,
        );
      const time = formatTime(registry.clock.now());
      const before: AnyObject[] = current.status?.conditions ?? [];
      const conditions = (wanted.status?.conditions ?? []).map((condition: AnyObject) => {
        const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
        return { lastUpdateTime: time, lastTransitionTime: same?.lastTransitionTime ?? time, ...condition };
      });
      return { ...wanted, status: { ...current.status, conditions } };
    },
  });
}
