/**
 * What every request goes through, in order: who is it (authn), in whose name (impersonation), what is asked (request info), may they
 * (authz), then the answer. A step either passes the request on or throws a `StatusError`.
 */
import { type Clock, StatusError } from '../machinery/index.ts';
import type { ChainCounts } from './chaincounts.ts';
import { anonymous, authenticate, type TokenAuthenticator } from './authn/index.ts';
import { type Attributes, type Decision, refusal } from './authz/index.ts';
import type { Headers, Subject } from './exchange.ts';
import type { RequestHeader } from './authn/requestheader.ts';
import { impersonated } from './authn/impersonate.ts';
import { type RequestInfo, requestInfoOf, type User } from './request.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly subject: Subject | undefined;
}

export interface Passed {
  readonly user: User;
  readonly info: RequestInfo;
}

export interface ChainOptions {
  readonly clock: Clock;
  readonly counts: ChainCounts;
  readonly tokens: readonly TokenAuthenticator[];
  authorize(attributes: Attributes): Decision;
  /** Whom proxies in front may be; absent: their headers mean nothing. */
  readonly proxies?: Pick<RequestHeader, 'allowedNames'> | undefined;
  /** Asked when `authorize` does not allow; absent: then it is refused. */
  authorizeElsewhere?(attributes: Attributes): Promise<Decision>;
  /** Whether those who show nothing may ask for a path; absent: for any. */
  anonymous?(path: string): boolean;
}

/** Sees a request on its way through the chain. */
export interface Witness {
  unauthenticated(info: RequestInfo): void;
  authenticated(user: User, info: RequestInfo): void;
  impersonated(user: User): void;
  decided(allowed: boolean, reason: string): void;
}

/**
 * `admit` is asked once it is known who asks for what, before whether they may: who is refused takes up the server's time, too. It may answer with a
 * promise to be waited for.
 */
export async function pass(
  asked: Asked,
  options: ChainOptions,
  witness?: Witness,
  admit?: (user: User, info: RequestInfo) => Promise<void> | undefined,
): Promise<Passed> {
  const authorization = header(asked.headers, 'authorization');
  const info = requestInfoOf(asked.method, asked.path, asked.query);
  const { clock, counts } = options;
  const began = clock.monotonic();
  let real = anonymous;
  try {
    if (asked.subject !== undefined || authorization !== undefined)
      real = await authenticate(
        { subject: asked.subject, authorization, headers: asked.headers, proxies: options.proxies },
        options.tokens,
      );
    if (real === anonymous && options.anonymous?.(asked.path) === false) throw StatusError.unauthorized();
  } catch (error) {
    counts.authenticated('error', (clock.monotonic() - began) / 1000);
    witness?.unauthenticated(info);
    throw error;
  }
  counts.authenticated('success', (clock.monotonic() - began) / 1000, real.name);
  witness?.authenticated(real, info);
  const user = impersonated(real, asked.headers, options.authorize);
  witness?.impersonated(user);
  const admitted = admit?.(user, info);
  if (admitted !== undefined) await admitted;
  const wanted = attributesOf(user, info);
  const before = clock.monotonic();
  let decision = options.authorize(wanted);
  if (!decision.allowed && options.authorizeElsewhere !== undefined)
    decision = await options.authorizeElsewhere(wanted);
  counts.authorized(decision.allowed ? 'allowed' : 'no-opinion', (clock.monotonic() - before) / 1000);
  abide(decision, wanted, info, witness);
  return { user, info };
}

export function require(
  options: Pick<ChainOptions, 'authorize'>,
  user: User,
  info: RequestInfo,
  witness?: Pick<Witness, 'decided'>,
): void {
  const attributes = attributesOf(user, info);
  abide(options.authorize(attributes), attributes, info, witness);
}

function abide(
  decision: Decision,
  attributes: Attributes,
  info: RequestInfo,
  witness: Pick<Witness, 'decided'> | undefined,
): void {
  witness?.decided(decision.allowed, decision.reason);
  if (decision.allowed) return;
  if (info.isResource) throw StatusError.forbidden(info, info.name, refusal(attributes));
  throw new StatusError('Forbidden', `forbidden: ${refusal(attributes)}`, {});
}

export function attributesOf(user: User, info: RequestInfo): Attributes {
  const { verb, isResource, group, resource, subresource, namespace, path, fieldSelector } = info;
  // who asks for the one object of a name asks for that object
  const name = info.name || (fieldSelector === undefined ? '' : (nameSelected.exec(fieldSelector)?.[1] ?? ''));
  return { user, verb, isResource, group, resource, subresource, namespace, name, path, fieldSelector };
}

const nameSelected = /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/;

export function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
