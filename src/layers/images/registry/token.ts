/**
 * How a registry lets one in: nothing, `Basic`, or `Bearer` with a token that another service gives (the distribution
 * project's token and OAuth2 flows). A token is asked for once per scope.
 */
import type { Clock } from '../../../machinery/index.ts';
import { ImageError } from '../errors.ts';
import type { RegistryAuth } from './credentials.ts';
import { type Answer, type HttpClient, readBody } from './http.ts';

export interface Challenge {
  scheme: 'basic' | 'bearer';
  parameters: Record<string, string>;
}

/** The first challenge that can be answered. */
export function parseChallenge(header: string): Challenge | undefined {
  for (const part of header.split(/,\s*(?=(?:basic|bearer)(?:\s|$))/i)) {
    const found = /^\s*(basic|bearer)(?:\s+(.*))?$/is.exec(part);
    if (!found) continue;
    const parameters: Record<string, string> = {};
    for (const [, key, quoted, bare] of (found[2] ?? '').matchAll(
      /([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi,
    ))
      if (key) parameters[key.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '';
    return { scheme: found[1]?.toLowerCase() === 'basic' ? 'basic' : 'bearer', parameters };
  }
  return undefined;
}

/** Of one registry and one set of credentials. */
export class Authorizer {
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #auth: RegistryAuth | undefined;
  readonly #tokens = new Map<string, { header: string; until: number }>();

  constructor(http: HttpClient, clock: Clock, auth: RegistryAuth | undefined) {
    this.#http = http;
    this.#clock = clock;
    this.#auth = auth;
  }

  /** The `Authorization` for a scope such as `repository:library/nginx:pull`, when one is known to be wanted. */
  known(scope: string): string | undefined {
    const token = this.#tokens.get(scope);
    return token && token.until > this.#clock.now() ? token.header : undefined;
  }

  /** Answers a 401. Undefined when there is nothing to answer it with. */
  async answer(challenged: Answer, scope: string, signal?: AbortSignal): Promise<string | undefined> {
    const challenge = parseChallenge([challenged.headers['www-authenticate'] ?? ''].flat().join(', '));
    if (!challenge) return undefined;
    if (challenge.scheme === 'basic') return this.#remember(scope, this.#basic(), Number.POSITIVE_INFINITY);
    const realm = realmOf(challenge, challenged.url);
    const token = await this.#ask(realm, challenge, scope, signal);
    return this.#remember(scope, token && `Bearer ${token.token}`, token?.until ?? 0);
  }

  #remember(scope: string, header: string | undefined, until: number): string | undefined {
    if (header) this.#tokens.set(scope, { header, until });
    return header;
  }

  #basic(): string | undefined {
    const { username, password } = this.#auth ?? {};
    if (username === undefined || password === undefined) return undefined;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  async #ask(realm: URL, challenge: Challenge, scope: string, signal?: AbortSignal) {
    const service = challenge.parameters['service'] ?? '';
    const answer = this.#auth?.identityToken
      ? await this.#refresh(realm, service, scope, this.#auth.identityToken, signal)
      : await this.#plain(realm, service, scope, signal);
    const body = await readBody(answer, 1 << 20, `the answer of ${realm.host}`);
    if (answer.status === 401 || answer.status === 403 || answer.status === 400) return undefined;
    if (answer.status !== 200)
      throw new ImageError('RegistryUnavailable', `${realm.host} answered ${answer.status} when asked for a token`);
    return this.#read(body, realm);
  }

  #read(body: Buffer, realm: URL) {
    let told: { token?: unknown; access_token?: unknown; expires_in?: unknown } = {};
    try {
      told = JSON.parse(body.toString('utf8')) as typeof told;
    } catch {
      // told below
    }
    const token = told.token ?? told.access_token;
    if (typeof token !== 'string' || /[\r\n]/.test(token))
      throw new ImageError('RegistryUnavailable', `${realm.host} answered without a token`);
    const seconds = typeof told.expires_in === 'number' && told.expires_in > 0 ? told.expires_in : 60;
    return { token, until: this.#clock.now() + seconds * 900 };
  }

  async #plain(realm: URL, service: string, scope: string, signal?: AbortSignal): Promise<Answer> {
    const url = new URL(realm);
    if (service) url.searchParams.set('service', service);
    url.searchParams.set('scope', scope);
    const basic = this.#basic();
    if (basic && this.#auth?.username) url.searchParams.set('account', this.#auth.username);
    return await this.#http.send({
      method: 'GET',
      url,
      headers: basic ? { authorization: basic } : {},
      ...(signal && { signal }),
    });
  }

  async #refresh(realm: URL, service: string, scope: string, identity: string, signal?: AbortSignal): Promise<Answer> {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      scope,
      client_id: 'glasshouse',
      refresh_token: identity,
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return await this.#http.send({
      method: 'POST',
      url: realm,
      headers,
      body: Buffer.from(form.toString()),
      ...(signal && { signal }),
    });
  }
}

/** Credentials go only where they cannot be read on the way: a plain realm is believed of a plain registry alone. */
function realmOf(challenge: Challenge, registry: URL): URL {
  const text = challenge.parameters['realm'] ?? '';
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  if (realm?.protocol === 'https:' || (realm?.protocol === 'http:' && registry.protocol === 'http:')) return realm;
  throw new ImageError(
    'ErrImagePull',
    `registry ${registry.host} sends for tokens to ${JSON.stringify(text)}, which is not an https address`,
  );
}
