/** Acting in somebody else's name (`kubectl --as`): allowed to those who may `impersonate` exactly that user, those groups. */
import { StatusError } from '../../machinery/index.ts';
import { type Attributes, type Decision, refusal } from '../authz/index.ts';
import type { Headers } from '../exchange.ts';
import type { User } from '../request.ts';

export function impersonated(user: User, headers: Headers, authorize: (attributes: Attributes) => Decision): User {
  // as upstream: an empty one is none
  const name = one(headers['impersonate-user']) || undefined;
  const groups = [headers['impersonate-group'] ?? []].flat();
  const uid = one(headers['impersonate-uid']);
  const extra = Object.entries(headers).filter(([header]) => header.startsWith('impersonate-extra-'));
  if (name === undefined) {
    if (groups.length > 0 || uid !== undefined || extra.length > 0)
      throw StatusError.badRequest(
        'requested impersonation of groups, a uid or extra without a user (Impersonate-User)',
      );
    return user;
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account !== null) check(user, authorize, '', 'serviceaccounts', account[2]!, account[1]!);
  else check(user, authorize, '', 'users', name);
  for (const group of groups) check(user, authorize, '', 'groups', group);
  if (uid !== undefined) check(user, authorize, 'authentication.k8s.io', 'uids', uid);
  const values: Record<string, string[]> = Object.create(null);
  for (const [header, value] of extra) {
    const key = keyOf(header);
    values[key] = [value ?? []].flat();
    for (const one of values[key]) check(user, authorize, 'authentication.k8s.io', 'userextras', one, '', key);
  }
  const implied =
    name === 'system:anonymous'
      ? ['system:unauthenticated']
      : [
          'system:authenticated',
          ...(account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : []),
        ];
  return { name, ...(uid && { uid }), groups: [...new Set([...groups, ...implied])], extra: values };
}

function check(
  user: User,
  authorize: (attributes: Attributes) => Decision,
  group: string,
  resource: string,
  name: string,
  namespace = '',
  subresource = '',
): void {
  const attributes: Attributes = {
    user,
    verb: 'impersonate',
    isResource: true,
    group,
    resource,
    subresource,
    namespace,
    name,
    path: '',
  };
  if (!authorize(attributes).allowed) throw StatusError.forbidden({ group, resource }, name, refusal(attributes));
}

function keyOf(header: string): string {
  const key = header.slice('impersonate-extra-'.length);
  try {
    return decodeURIComponent(key);
  } catch {
    // as upstream: what cannot be decoded is taken as it is
    return key;
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}
