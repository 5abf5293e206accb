/**
 * What every request goes through, in order: who is it (authn), in whose name (impersonation), what is asked (request info), may they
 * (authz), then the answer. A step either passes the request on or throws a `StatusError`.
 */
import { type Clock, StatusError } from '../machinery/index.ts';
import type { ChainCounts } from './chaincounts.ts';
import { anonymous, authenticate, type TokenAuthenticator } from './authn/index.ts';
import { type Attributes, type Deciding, type Decision, refusal } from './authz/index.ts';
import type { Exchange, Headers, Subject } from './exchange.ts';
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

/** Told how long the steps took; absent: nobody wants to know. */
type Took = Exchange['took'];

export interface Passed {
  readonly user: User;
  readonly info: RequestInfo;
}

export interface ChainOptions {
  readonly clock: Clock;
  readonly counts: ChainCounts;
  readonly tokens: readonly TokenAuthenticator[];
  authorize(attributes: Attributes): Deciding;
  /** Whom proxies in front may be; absent: their headers mean nothing. */
  readonly proxies?: Pick<RequestHeader, 'allowedNames'> | undefined;
  /** Whether those who show nothing may ask for a path; absent: for any. */
  anonymous?(path: string): boolean;
}

/** Sees a request on its way through the chain. */
export interface Witness {
  unauthenticated(info: RequestInfo): void;
  authenticated(user: User, info: RequestInfo): void;
  impersonated(user: User): void;
  decided(allowed: boolean, reason: string): void;
  /** Something that those who recognised the user found worth recording. */
  note(name: string, value: string): void;
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
  took: () => Took = () => undefined,
): Promise<Passed> {
  const authorization = header(asked.headers, 'authorization');
  const info = requestInfoOf(asked.method, asked.path, asked.query);
  const { clock, counts } = options;
  const began = clock.monotonic();
  let notes: [name: string, value: string][] | undefined;
  let real = anonymous;
  try {
    if (asked.subject !== undefined || authorization !== undefined)
      real = await authenticate(
        { subject: asked.subject, authorization, headers: asked.headers, proxies: options.proxies },
        options.tokens,
        witness && ((...one) => void (notes ??= []).push(one)),
      );
    if (real === anonymous && options.anonymous?.(asked.path) === false) throw StatusError.unauthorized();
  } catch (error) {
    counts.authenticated('error', (clock.monotonic() - began) / 1000);
    witness?.unauthenticated(info);
    throw error;
  }
  const recognised = clock.monotonic();
  counts.authenticated('success', (recognised - began) / 1000, real.name);
  witness?.authenticated(real, info);
  for (const note of notes ?? []) witness?.note(...note);
  took()?.('authentication', recognised - began);
  const named = impersonated(real, asked.headers, options.authorize);
  const user = named instanceof Promise ? await named : named;
  if (user !== real) took()?.('impersonation', clock.monotonic() - recognised);
  witness?.impersonated(user);
  const admitted = admit?.(user, info);
  if (admitted !== undefined) await admitted;
  const wanted = attributesOf(user, info);
  const before = clock.monotonic();
  const deciding = options.authorize(wanted);
  const decision = deciding instanceof Promise ? await deciding : deciding;
  const time = clock.monotonic() - before;
  counts.authorized(resultOf(decision), time / 1000);
  took()?.('authorization', time);
  abide(decision, wanted, info, witness);
  return { user, info };
}

/** Undefined: they may, and nobody had to be waited for. */
export function require(
  options: Pick<ChainOptions, 'authorize'>,
  user: User,
  info: RequestInfo,
  witness?: Pick<Witness, 'decided'>,
): Promise<void> | undefined {
  const attributes = attributesOf(user, info);
  const deciding = options.authorize(attributes);
  if (deciding instanceof Promise) return deciding.then((decision) => abide(decision, attributes, info, witness));
  abide(deciding, attributes, info, witness);
  return undefined;
}

function resultOf({ allowed, denied, error }: Decision) {
  if (allowed) return 'allowed';
  if (error !== undefined) return 'error';
  return denied ? 'denied' : 'no-opinion';
}

function abide(
  { allowed, reason, error }: Decision,
  attributes: Attributes,
  info: RequestInfo,
  witness: Pick<Witness, 'decided'> | undefined,
): void {
  witness?.decided(allowed, error === undefined || allowed ? reason : 'internal error');
  if (allowed) return;
  if (error !== undefined) throw StatusError.internal(`whether it is allowed could not be found out: ${error}`);
  const why = reason === '' ? refusal(attributes) : `${refusal(attributes)}: ${reason}`;
  if (info.isResource) throw StatusError.forbidden(info, info.name, why);
  throw new StatusError('Forbidden', `forbidden: ${why}`, {});
}

export function attributesOf(user: User, info: RequestInfo): Attributes {
  const { verb, isResource, group, version, resource, subresource, namespace, path, fieldSelector, labelSelector } =
    info;
  // who asks for the one object of a name asks for that object
  const name = info.name || (fieldSelector === undefined ? '' : (nameSelected.exec(fieldSelector)?.[1] ?? ''));
  const narrowed = { ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) };
  return { user, verb, isResource, group, version, resource, subresource, namespace, name, path, ...narrowed };
}

const nameSelected = /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/;

export function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
