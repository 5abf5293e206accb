/** The verdict on a certificate signing request: only its conditions are written. */
import { applyMergePatch, cloneJson, isObject, StatusError } from '../../machinery/index.ts';
import { type Answer, change, type ResourceCall } from '../registry/index.ts';
import type { SubresourceContext } from './context.ts';

export async function approve({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  return change(registry, call, {
    part: 'status',
    make: (current) => {
      const wanted = call.verb === 'patch' ? applyMergePatch(current, call.body) : call.body;
      if (!isObject(wanted)) throw StatusError.badRequest('the body must be a CertificateSigningRequest');
      const next = cloneJson(current);
      next.status = { ...next.status, conditions: wanted.status?.conditions ?? [] };
      return next;
    },
  });
}
