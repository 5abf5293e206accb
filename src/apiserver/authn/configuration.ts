/** Reads an AuthenticationConfiguration (apiserver.config.k8s.io/v1): providers of tokens, and to whom nobody in particular may speak. */
import { isObject } from '../../machinery/index.ts';
import type { TokenAuthenticator } from './index.ts';
import type { JwtConfiguration, OidcOptions } from './oidc/index.ts';

export interface AuthenticationConfiguration {
  readonly jwt: readonly JwtConfiguration[];
  /** Absent: everywhere. */
  readonly anonymous?: { readonly enabled: boolean; readonly paths?: readonly string[] };
}

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);

/** @throws TypeError that names the field, the value and what is expected */
export function authenticationConfigurationOf(file: unknown): AuthenticationConfiguration {
  if (!isObject(file) || file.kind !== 'AuthenticationConfiguration' || !versions.includes(file.apiVersion))
    throw new TypeError(`an AuthenticationConfiguration of ${versions[0]} is expected`);
  const jwt = (file.jwt ?? []) as JwtConfiguration[];
  if (!Array.isArray(jwt)) throw new TypeError('jwt: a list is expected');
  const issuers = new Set<string>();
  for (const [at, one] of jwt.entries()) {
    check(`jwt[${at}]`, one);
    for (const url of [one.issuer.url, one.issuer.discoveryURL ?? '']) {
      if (url !== '' && issuers.has(url)) throw new TypeError(`jwt[${at}].issuer.url: ${url} is there twice`);
      issuers.add(url);
    }
  }
  return { jwt, ...(file.anonymous && { anonymous: anonymousOf(file.anonymous) }) };
}

function anonymousOf(given: any): AuthenticationConfiguration['anonymous'] {
  const { enabled, conditions } = given;
  if (typeof enabled !== 'boolean') throw new TypeError(`anonymous.enabled: ${enabled}: true or false is expected`);
  if (conditions === undefined) return { enabled };
  if (!enabled) throw new TypeError('anonymous.conditions: there can be none when anonymous.enabled is false');
  const paths = conditions.map((one: any) => one?.path);
  if (paths.some((path: unknown) => typeof path !== 'string' || !path.startsWith('/')))
    throw new TypeError('anonymous.conditions: each needs a path that begins with "/"');
  return { enabled, paths };
}

function check(field: string, one: JwtConfiguration): void {
  if (!isObject(one) || !isObject(one.issuer)) throw new TypeError(`${field}.issuer: it is required`);
  const { url, discoveryURL, audiences, audienceMatchPolicy } = one.issuer;
  https(`${field}.issuer.url`, url);
  if (discoveryURL !== undefined) {
    https(`${field}.issuer.discoveryURL`, discoveryURL);
    if (discoveryURL === url) throw new TypeError(`${field}.issuer.discoveryURL: it must differ from the issuer's URL`);
  }
  if (
    !Array.isArray(audiences) ||
    audiences.length === 0 ||
    audiences.some((one) => typeof one !== 'string' || one === '')
  )
    throw new TypeError(`${field}.issuer.audiences: at least one is required, and none may be empty`);
  if (audiences.length > 1 && audienceMatchPolicy !== 'MatchAny')
    throw new TypeError(`${field}.issuer.audienceMatchPolicy: must be MatchAny for multiple audiences`);
  const { username, groups, uid, extra = [] } = one.claimMappings ?? {};
  if (!username) throw new TypeError(`${field}.claimMappings.username: it is required`);
  either(`${field}.claimMappings.username`, username, true);
  if (groups?.claim || groups?.expression) either(`${field}.claimMappings.groups`, groups, true);
  if (uid?.claim || uid?.expression) either(`${field}.claimMappings.uid`, uid, false);
  for (const [at, { key, valueExpression }] of extra.entries()) {
    if (!key || key !== key.toLowerCase() || !key.includes('/'))
      throw new TypeError(
        `${field}.claimMappings.extra[${at}].key: ${key}: a lower-case domain-prefixed path is expected`,
      );
    if (/^([^/]+\.)?(kubernetes|k8s)\.io\//.test(key))
      throw new TypeError(`${field}.claimMappings.extra[${at}].key: ${key}: the domain is reserved for Kubernetes use`);
    if (!valueExpression) throw new TypeError(`${field}.claimMappings.extra[${at}].valueExpression: it is required`);
  }
  for (const [at, rule] of (one.claimValidationRules ?? []).entries())
    either(`${field}.claimValidationRules[${at}]`, rule, false);
  emailIsVerified(field, one);
}

/** Where expressions read the address, one of them has to ask whether it was verified. */
function emailIsVerified(field: string, { claimMappings, claimValidationRules = [] }: JwtConfiguration): void {
  const reads = /\bclaims(\.|\[\s*["'])email\b(?!_)/.test(claimMappings.username.expression ?? '');
  const texts = [
    claimMappings.username.expression,
    ...claimValidationRules.map((rule) => rule.expression),
    ...(claimMappings.extra ?? []).map((one) => one.valueExpression),
  ];
  if (reads && !texts.some((text) => text?.includes('email_verified')))
    throw new TypeError(
      `${field}.claimMappings.username.expression: claims.email_verified must be used in claimMappings.username.expression, claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used`,
    );
}

function either(field: string, of: { claim?: string; expression?: string; prefix?: string }, prefixed: boolean): void {
  if ((of.claim === undefined || of.claim === '') === (of.expression === undefined || of.expression === ''))
    throw new TypeError(`${field}: exactly one of claim and expression is expected`);
  if (!prefixed) return;
  if (of.claim && of.prefix === undefined)
    throw new TypeError(`${field}.prefix: it is required when claim is set; it may be empty`);
  if (of.expression && of.prefix !== undefined)
    throw new TypeError(`${field}.prefix: it cannot be set with expression`);
}

function https(field: string, text: unknown): void {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || url.protocol !== 'https:')
    throw new TypeError(`${field}: ${JSON.stringify(text)}: a URL with the scheme https is expected`);
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`${field}: it must hold no user name or password`);
  if (url.search !== '' || url.hash !== '') throw new TypeError(`${field}: it must have no query and no fragment`);
}

/** Those who recognise the tokens of the providers configured. Loads what that takes only when there is one. */
export async function providersOf(
  { jwt }: AuthenticationConfiguration,
  options: OidcOptions,
): Promise<TokenAuthenticator[]> {
  if (jwt.length === 0) return [];
  const { oidcTokens } = await import('./oidc/index.ts');
  return jwt.map((one) => oidcTokens(one, options));
}

/** Where nobody in particular may speak, as `ApiserverOptions.anonymous` wants it; undefined: everywhere. */
export function anonymousBy({ anonymous }: AuthenticationConfiguration): ((path: string) => boolean) | undefined {
  if (anonymous === undefined || (anonymous.enabled && anonymous.paths === undefined)) return undefined;
  const { enabled, paths = [] } = anonymous;
  return (path) => enabled && paths.includes(path);
}
