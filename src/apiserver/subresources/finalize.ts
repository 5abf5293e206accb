/** A namespace's own finalizers (`spec.finalizers`): the namespace goes when the last one does. */
import { cloneJson, isObject, StatusError } from '../../machinery/index.ts';
import { type Answer, change, type ResourceCall } from '../registry/index.ts';
import type { SubresourceContext } from './context.ts';

export async function finalize({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const { body } = call;
  if (!isObject(body)) throw StatusError.badRequest('the body must be a Namespace');
  return change(registry, call, {
    part: 'all',
    make: (current) => {
      const next = cloneJson(current);
      next.spec = { ...next.spec, finalizers: body.spec?.finalizers ?? [] };
      if (body.metadata?.resourceVersion) next.metadata.resourceVersion = body.metadata.resourceVersion;
      return next;
    },
  });
}
