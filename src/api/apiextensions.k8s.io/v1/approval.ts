/** Groups of the Kubernetes community itself: whoever defines resources there says that the community agreed. */
import type { ObjectMeta } from '../../../machinery/index.ts';

const annotation = 'api-approved.kubernetes.io';

export interface Approval {
  readonly state: 'missing' | 'bypassed' | 'approved' | 'invalid';
  readonly reason: string;
}

export function isProtected(group: string): boolean {
  return /(^|\.)(k8s|kubernetes)\.io$/.test(group);
}

export function apiApprovalOf({ annotations }: ObjectMeta): Approval {
  const given = annotations?.[annotation];
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  const must = `protected groups must have approval annotation ${JSON.stringify(annotation)}`;
  if (!given) return { state: 'missing', reason: `${must}, ${see}` };
  if (given.startsWith('unapproved')) return { state: 'bypassed', reason: `not approved: ${JSON.stringify(given)}` };
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/\s]+/i.test(given)) return { state: 'approved', reason: `approved in ${given}` };
  return {
    state: 'invalid',
    reason: `${must} with either a URL or a reason starting with "unapproved", ${see}`,
  };
}
