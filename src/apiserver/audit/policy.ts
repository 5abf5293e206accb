/** What is recorded of which requests: an audit policy (audit.k8s.io/v1), its rules in order, the first that matches counts. */
import { isObject } from '../../machinery/index.ts';
import type { RequestInfo, User } from '../request.ts';

export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Level = (typeof levels)[number];
export type Stage = (typeof stages)[number];

export interface Recorded {
  readonly level: Level;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

interface Rule {
  level: Level;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: { group?: string; resources?: string[]; resourceNames?: string[] }[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

export interface AuditPolicy {
  recordOf(user: User, info: RequestInfo): Recorded;
}

const nothing: Recorded = { level: 'None', omitStages: new Set(), omitManagedFields: false };

/** @throws TypeError that names the field, the value and what is expected */
export function auditPolicyOf(file: unknown): AuditPolicy {
  if (!isObject(file) || file.kind !== 'Policy' || file.apiVersion !== 'audit.k8s.io/v1')
    throw new TypeError('a Policy of audit.k8s.io/v1 is expected');
  const { rules, omitStages = [], omitManagedFields = false } = file;
  if (!Array.isArray(rules) || rules.length === 0) throw new TypeError('rules: at least one is expected');
  checkStages('omitStages', omitStages);
  const compiled = rules.map((rule: Rule, at) => {
    checkRule(`rules[${at}]`, rule);
    const recorded: Recorded = {
      level: rule.level,
      omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
      omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
    };
    return { rule, recorded };
  });
  return {
    recordOf: (user, info) => compiled.find(({ rule }) => matches(rule, user, info))?.recorded ?? nothing,
  };
}

function checkRule(field: string, rule: Rule): void {
  if (!isObject(rule) || !levels.includes(rule.level))
    throw new TypeError(`${field}.level: ${JSON.stringify(rule?.level)} is not one of ${levels.join(', ')}`);
  checkStages(`${field}.omitStages`, rule.omitStages ?? []);
  for (const name of ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs'] as const) {
    const list = rule[name];
    if (list !== undefined && (!Array.isArray(list) || list.some((one) => typeof one !== 'string')))
      throw new TypeError(`${field}.${name}: a list of strings is expected`);
  }
  for (const url of rule.nonResourceURLs ?? [])
    if (url !== '*' && (!url.startsWith('/') || url.slice(0, -1).includes('*')))
      throw new TypeError(`${field}.nonResourceURLs: ${url}: a path is expected, in which * may be the last character`);
  const ofResources = (rule.resources?.length ?? 0) > 0 || (rule.namespaces?.length ?? 0) > 0;
  if (ofResources && (rule.nonResourceURLs?.length ?? 0) > 0)
    throw new TypeError(
      `${field}.nonResourceURLs: a rule cannot apply to both regular resources and non-resource URLs`,
    );
  for (const [at, { group = '', resources = [], resourceNames = [] }] of (rule.resources ?? []).entries()) {
    if (/^v\d/.test(group) || group.includes('/'))
      throw new TypeError(
        `${field}.resources[${at}].group: ${group}: the name of a group without a version is expected`,
      );
    if (resourceNames.length > 0 && resources.length === 0)
      throw new TypeError(`${field}.resources[${at}].resourceNames: resources must be given, too`);
  }
}

function checkStages(field: string, given: unknown): void {
  if (!Array.isArray(given)) throw new TypeError(`${field}: a list is expected`);
  for (const stage of given)
    if (!stages.includes(stage))
      throw new TypeError(`${field}: ${JSON.stringify(stage)} is not one of ${stages.join(', ')}`);
}

const some = (list: readonly string[] | undefined): list is readonly string[] => list !== undefined && list.length > 0;

function matches(rule: Rule, user: User, info: RequestInfo): boolean {
  if (some(rule.users) && !rule.users.includes(user.name)) return false;
  if (some(rule.userGroups) && !rule.userGroups.some((group) => user.groups.includes(group))) return false;
  if (some(rule.verbs) && !rule.verbs.includes(info.verb)) return false;
  if (some(rule.namespaces) || (rule.resources?.length ?? 0) > 0) return info.isResource && matchesResource(rule, info);
  if (!some(rule.nonResourceURLs)) return true;
  return !info.isResource && rule.nonResourceURLs.some((url) => matchesPath(url, info.path));
}

function matchesResource({ namespaces, resources = [] }: Rule, info: RequestInfo): boolean {
  if (some(namespaces) && !namespaces.includes(info.namespace)) return false;
  if (resources.length === 0) return true;
  const { resource, subresource } = info;
  const wanted = subresource === '' ? resource : `${resource}/${subresource}`;
  return resources.some(({ group = '', resources: names = [], resourceNames = [] }) => {
    if (group !== info.group) return false;
    if (names.length === 0) return true;
    if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
    return names.some(
      (name) =>
        name === '*' ||
        name === wanted ||
        (subresource !== '' && (name === `*/${subresource}` || name === `${resource}/*`)),
    );
  });
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}
