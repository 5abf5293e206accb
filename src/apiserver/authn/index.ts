/**
 * Who is asking. Ways, in order: a client certificate of the cluster's authority, a bearer token (service account, or a static one), nobody
 * (`system:anonymous`). A credential that is wrong is refused; it does not make its bearer anonymous.
 */
import { StatusError } from '../../machinery/index.ts';
import type { Headers, Subject } from '../exchange.ts';
import type { User } from '../request.ts';
import type { Note } from './note.ts';
import { namedByProxy, type RequestHeader } from './requestheader.ts';

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
  authenticate(token: string, note?: Note): Promise<User | undefined> | User | undefined;
}

export interface Credentials {
  /** The subject of a client certificate that was verified against the cluster's authority. */
  readonly subject?: Subject;
  readonly authorization?: string;
  /** With `proxies`: what a proxy in front says of who asks. */
  readonly headers?: Headers;
  readonly proxies?: Pick<RequestHeader, 'allowedNames'> | undefined;
}

export async function authenticate(
  credentials: Credentials,
  tokens: readonly TokenAuthenticator[],
  note?: Note,
): Promise<User> {
  const { subject, headers, proxies } = credentials;
  if (subject?.proxy !== undefined && proxies !== undefined && headers?.['x-remote-user'] !== undefined) {
    const named = namedByProxy([subject.CN ?? []].flat()[0], headers, proxies);
    if (named !== undefined) return authenticated(named);
  }
  const fromCertificate = subject && subject.proxy !== 'only' ? userOfSubject(subject) : undefined;
  if (fromCertificate !== undefined) return fromCertificate;
  const { authorization } = credentials;
  // as upstream: a certificate that names nobody who is known here is no good, but a token beside it may be
  if (authorization === undefined && subject?.proxy === 'only') throw StatusError.unauthorized();
  if (authorization === undefined) return anonymous;
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) return anonymous;
  for (const authenticator of tokens) {
    const user = await authenticator.authenticate(token, note);
    if (user !== undefined) return authenticated(user);
  }
  throw StatusError.unauthorized();
}

/** That of a connection is one object, and so is then its user: what is known of a user is found by it. */
const bySubject = new WeakMap<Subject, User>();

export function userOfSubject(subject: Subject): User | undefined {
  let user = bySubject.get(subject);
  if (user === undefined && (user = readSubject(subject)) !== undefined) bySubject.set(subject, user);
  return user;
}

function readSubject(subject: Subject): User | undefined {
  const name = [subject.CN ?? []].flat()[0];
  if (name === undefined || name === '') return undefined;
  return authenticated({ name, groups: [subject.O ?? []].flat() });
}

function authenticated(user: User): User {
  // as upstream: who is named as nobody stays that
  if (user.name === anonymous.name) return user;
  return user.groups.includes(groups.authenticated) || user.groups.includes(groups.unauthenticated)
    ? user
    : { ...user, groups: [...user.groups, groups.authenticated] };
}

export { serviceAccountUser } from './accounts.ts';
export { type BoundTo, ServiceAccountTokens, type TokenClaims, type TokenSigner } from './serviceaccount.ts';
