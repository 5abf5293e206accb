/**
 * Who is asking. Ways, in order: a client certificate of the cluster's authority, a bearer token (service account, or a static one), nobody
 * (`system:anonymous`). A credential that is wrong is refused; it does not make its bearer anonymous.
 */
import { StatusError } from '../../machinery/index.ts';
import type { User } from '../request.ts';

export const groups = {
  authenticated: 'system:authenticated',
  unauthenticated: 'system:unauthenticated',
  masters: 'system:masters',
  serviceAccounts: 'system:serviceaccounts',
  nodes: 'system:nodes',
} as const;

export const anonymous: User = { name: 'system:anonymous', groups: [groups.unauthenticated] };

export interface TokenAuthenticator {
  /** Undefined: this token is not of mine. Throws when it is, but is not good (any more). */
  authenticate(token: string): Promise<User | undefined> | User | undefined;
}

export interface Credentials {
  /** The subject of a client certificate that was verified against the cluster's authority. */
  readonly subject?: { CN?: string | string[]; O?: string | string[] };
  readonly authorization?: string;
}

export async function authenticate(credentials: Credentials, tokens: readonly TokenAuthenticator[]): Promise<User> {
  const fromCertificate = credentials.subject && userOfSubject(credentials.subject);
  if (fromCertificate !== undefined) return fromCertificate;
  const { authorization } = credentials;
  if (authorization === undefined) return anonymous;
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) return anonymous;
  for (const authenticator of tokens) {
    const user = await authenticator.authenticate(token);
    if (user !== undefined) return authenticated(user);
  }
  throw StatusError.unauthorized();
}

export function userOfSubject(subject: NonNullable<Credentials['subject']>): User | undefined {
  const name = [subject.CN ?? []].flat()[0];
  if (name === undefined || name === '') return undefined;
  return authenticated({ name, groups: [subject.O ?? []].flat() });
}

function authenticated(user: User): User {
  return user.groups.includes(groups.authenticated)
    ? user
    : { ...user, groups: [...user.groups, groups.authenticated] };
}

export { serviceAccountUser } from './accounts.ts';
export { type BoundTo, ServiceAccountTokens, type TokenClaims, type TokenSigner } from './serviceaccount.ts';
