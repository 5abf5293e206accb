/** Acting in somebody else's name (`kubectl --as`): allowed to those who may `impersonate` exactly that user, those groups. */
import { StatusError } from '../../machinery/index.ts';
import { type Attributes, type Deciding, refusal } from '../authz/index.ts';
import type { Headers } from '../exchange.ts';
import type { User } from '../request.ts';

type Authorize = (attributes: Attributes) => Deciding;

/** At once for those who act in their own name. */
export function impersonated(user: User, headers: Headers, authorize: Authorize): User | Promise<User> {
  if (!asksFor(headers)) return user;
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
  return become(user, { name, groups, uid, extra }, authorize);
}

interface Wanted {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid: string | undefined;
  readonly extra: readonly [header: string, value: string | string[] | undefined][];
}

async function become(user: User, { name, groups, uid, extra }: Wanted, authorize: Authorize): Promise<User> {
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account !== null) await check(user, authorize, '', 'serviceaccounts', account[2]!, account[1]!);
  else await check(user, authorize, '', 'users', name);
  for (const group of groups) await check(user, authorize, '', 'groups', group);
  if (uid !== undefined) await check(user, authorize, 'authentication.k8s.io', 'uids', uid);
  const values: Record<string, string[]> = Object.create(null);
  for (const [header, value] of extra) {
    const key = keyOf(header);
    values[key] = [value ?? []].flat();
    for (const one of values[key]) await check(user, authorize, 'authentication.k8s.io', 'userextras', one, '', key);
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

async function check(
  user: User,
  authorize: Authorize,
  group: string,
  resource: string,
  name: string,
  namespace = '',
  subresource = '',
): Promise<void> {
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
  const { allowed, error } = await authorize(attributes);
  if (!allowed && error !== undefined)
    throw StatusError.internal(`whether it is allowed could not be found out: ${error}`);
  if (!allowed) throw StatusError.forbidden({ group, resource }, name, refusal(attributes));
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

/** Few do. */
function asksFor(headers: Headers): boolean {
  for (const name in headers) if (name.startsWith('impersonate-')) return true;
  return false;
}
