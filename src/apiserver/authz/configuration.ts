/** Reads an AuthorizationConfiguration (apiserver.config.k8s.io/v1): who is asked, in which order, and how. */
import { isAbsolute } from 'node:path';
import { isObject, parseGoDuration } from '../../machinery/index.ts';

export type AuthorizerType = 'Node' | 'RBAC' | 'Webhook' | 'AlwaysAllow' | 'AlwaysDeny';

export interface WebhookConfiguration {
  /** Milliseconds; 0: not kept. */
  readonly authorizedTtl: number;
  readonly unauthorizedTtl: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly version: 'v1' | 'v1beta1';
  readonly failurePolicy: 'NoOpinion' | 'Deny';
  /** A path. */
  readonly kubeConfigFile: string;
  /** Expressions over `request`, a SubjectAccessReviewSpec of v1. */
  readonly matchConditions: readonly string[];
}

export interface AuthorizerConfiguration {
  readonly type: AuthorizerType;
  readonly name: string;
  /** Of those of the type Webhook. */
  readonly webhook?: WebhookConfiguration;
}

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);
const types = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'];
const mostConditions = 64;
const longestTimeout = 30_000;

/** @throws TypeError that names the field, the value and what is expected */
export function authorizationConfigurationOf(file: unknown): readonly AuthorizerConfiguration[] {
  if (!isObject(file) || file.kind !== 'AuthorizationConfiguration' || !versions.includes(file.apiVersion))
    throw new TypeError(`an AuthorizationConfiguration of ${versions[0]} is expected`);
  known('', file, ['apiVersion', 'kind', 'authorizers']);
  const { authorizers } = file;
  if (!Array.isArray(authorizers) || authorizers.length === 0)
    throw new TypeError('authorizers: at least one is required, such as {type: RBAC, name: rbac}');
  const names = new Set<string>();
  const seen = new Set<string>();
  return authorizers.map((one: any, at: number) => {
    const field = `authorizers[${at}]`;
    if (!isObject(one)) throw new TypeError(`${field}: an object with a type and a name is expected`);
    known(`${field}.`, one, ['type', 'name', 'webhook']);
    const type = oneOf(`${field}.type`, one.type, types) as AuthorizerType;
    if (type !== 'Webhook' && seen.has(type)) throw new TypeError(`${field}.type: ${type} is there twice`);
    seen.add(type);
    const name = nameOf(`${field}.name`, one.name, type);
    if (names.has(name)) throw new TypeError(`${field}.name: ${JSON.stringify(name)} is there twice`);
    names.add(name);
    if (type === 'Webhook') return { type, name, webhook: webhookOf(`${field}.webhook`, one.webhook) };
    if (one.webhook !== undefined)
      throw new TypeError(`${field}.webhook: it may only be given with the type Webhook, not with ${type}`);
    return { type, name };
  });
}

/** Names end up in figures; those of what is built in are upstream's. */
function nameOf(field: string, name: unknown, type: string): string {
  if (typeof name !== 'string' || name === '') throw new TypeError(`${field}: it is required`);
  if (name.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name))
    throw new TypeError(
      `${field}: ${JSON.stringify(name)}: lower-case letters, digits, "-" and "." are expected, as in a DNS name`,
    );
  if (type !== 'Webhook' && name !== type.toLowerCase())
    throw new TypeError(
      `${field}: ${JSON.stringify(name)}: expected ${JSON.stringify(type.toLowerCase())} for ${type}`,
    );
  return name;
}

const webhookFields = [
  'authorizedTTL',
  'cacheAuthorizedRequests',
  'unauthorizedTTL',
  'cacheUnauthorizedRequests',
  'timeout',
  'subjectAccessReviewVersion',
  'matchConditionSubjectAccessReviewVersion',
  'failurePolicy',
  'connectionInfo',
  'matchConditions',
];

function webhookOf(field: string, given: any): WebhookConfiguration {
  if (!isObject(given)) throw new TypeError(`${field}: it is required with the type Webhook`);
  known(`${field}.`, given, webhookFields);
  const { connectionInfo, matchConditions = [] } = given;
  const conditions = conditionsOf(`${field}.matchConditions`, matchConditions);
  const forConditions = given.matchConditionSubjectAccessReviewVersion;
  if (forConditions !== undefined || conditions.length > 0)
    oneOf(`${field}.matchConditionSubjectAccessReviewVersion`, forConditions, ['v1']);
  const timeout = duration(`${field}.timeout`, given.timeout);
  if (timeout > longestTimeout)
    throw new TypeError(`${field}.timeout: ${given.timeout}: at most ${longestTimeout / 1000}s is expected`);
  const kept = (ttl: string, keep: string, standard: number) => {
    const length = given[ttl] === undefined ? standard : duration(`${field}.${ttl}`, given[ttl]);
    const wanted = given[keep] ?? true;
    if (typeof wanted !== 'boolean') throw new TypeError(`${field}.${keep}: ${wanted}: true or false is expected`);
    return wanted ? length : 0;
  };
  return {
    authorizedTtl: kept('authorizedTTL', 'cacheAuthorizedRequests', 300_000),
    unauthorizedTtl: kept('unauthorizedTTL', 'cacheUnauthorizedRequests', 30_000),
    timeout,
    version: oneOf(`${field}.subjectAccessReviewVersion`, given.subjectAccessReviewVersion, ['v1', 'v1beta1']) as 'v1',
    failurePolicy: oneOf(`${field}.failurePolicy`, given.failurePolicy, ['NoOpinion', 'Deny']) as 'Deny',
    kubeConfigFile: connectionOf(`${field}.connectionInfo`, connectionInfo),
    matchConditions: conditions,
  };
}

function connectionOf(field: string, given: any): string {
  if (!isObject(given)) throw new TypeError(`${field}: it is required`);
  known(`${field}.`, given, ['type', 'kubeConfigFile']);
  if (given.type === 'InClusterConfig')
    throw new TypeError(`${field}.type: InClusterConfig would have the server ask itself; use KubeConfigFile`);
  oneOf(`${field}.type`, given.type, ['KubeConfigFile']);
  const { kubeConfigFile: path } = given;
  if (typeof path !== 'string' || path === '') throw new TypeError(`${field}.kubeConfigFile: it is required`);
  if (!isAbsolute(path)) throw new TypeError(`${field}.kubeConfigFile: ${path}: an absolute path is expected`);
  return path;
}

function conditionsOf(field: string, given: unknown): string[] {
  if (!Array.isArray(given)) throw new TypeError(`${field}: a list is expected`);
  if (given.length > mostConditions)
    throw new TypeError(`${field}: ${given.length} of them: at most ${mostConditions} are expected`);
  const seen = new Set<string>();
  for (const [at, one] of given.entries()) {
    const expression = isObject(one) ? one.expression : undefined;
    if (typeof expression !== 'string' || expression.trim() === '')
      throw new TypeError(`${field}[${at}].expression: it is required`);
    known(`${field}[${at}].`, one, ['expression']);
    if (seen.has(expression)) throw new TypeError(`${field}[${at}].expression: ${expression}: it is there twice`);
    seen.add(expression);
  }
  return Array.from(seen);
}

function oneOf(field: string, value: unknown, allowed: readonly string[]): string {
  if (typeof value === 'string' && allowed.includes(value)) return value;
  const told = value === undefined ? 'it is required' : JSON.stringify(value);
  throw new TypeError(`${field}: ${told}: supported values: ${allowed.join(', ')}`);
}

/** Milliseconds, more than none. */
function duration(field: string, value: unknown): number {
  const parsed = typeof value === 'string' ? parseGoDuration(value) : undefined;
  if (value === undefined) throw new TypeError(`${field}: it is required, such as 3s`);
  if (parsed === undefined || parsed <= 0)
    throw new TypeError(`${field}: ${JSON.stringify(value)}: a duration above 0s is expected, such as 30s or 5m`);
  return parsed;
}

function known(field: string, given: object, names: readonly string[]): void {
  const odd = Object.keys(given).find((name) => !names.includes(name));
  if (odd !== undefined) throw new TypeError(`${field}${odd}: unknown field; known are ${names.join(', ')}`);
}
