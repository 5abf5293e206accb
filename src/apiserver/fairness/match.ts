/** Which FlowSchema a request is of: the first, by precedence, one of whose rules has its user and what it asks for. */
import type { FlowcontrolSubject, FlowSchemaSpec, NonResourcePolicyRule, ResourcePolicyRule } from '../../api/index.ts';
import type { RequestInfo, User } from '../request.ts';

export function matches(spec: FlowSchemaSpec, user: User, info: RequestInfo): boolean {
  return (spec.rules ?? []).some(
    ({ subjects, resourceRules = [], nonResourceRules = [] }) =>
      subjects.some((subject) => isSubject(subject, user)) &&
      (info.isResource
        ? resourceRules.some((rule) => hasResource(rule, info))
        : nonResourceRules.some((rule) => hasPath(rule, info))),
  );
}

function isSubject({ kind, user: named, group, serviceAccount }: FlowcontrolSubject, user: User): boolean {
  switch (kind) {
    case 'User':
      return named !== undefined && (named.name === '*' || named.name === user.name);
    case 'Group':
      return group !== undefined && (group.name === '*' || user.groups.includes(group.name));
    case 'ServiceAccount': {
      if (serviceAccount === undefined) return false;
      const before = `system:serviceaccount:${serviceAccount.namespace}:`;
      return serviceAccount.name === '*' ? user.name.startsWith(before) : user.name === before + serviceAccount.name;
    }
    default:
      return false;
  }
}

function hasResource(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
  return (
    has(rule.verbs, info.verb) &&
    has(rule.resources, resource) &&
    has(rule.apiGroups, info.group) &&
    (info.namespace === '' ? rule.clusterScope === true : has(rule.namespaces ?? [], info.namespace))
  );
}

function hasPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, { verb, path }: RequestInfo): boolean {
  return has(verbs, verb) && nonResourceURLs.some((url) => url === '*' || url === path || isBelow(path, url));
}

function isBelow(path: string, url: string): boolean {
  const start = url.endsWith('*') ? url.slice(0, -1) : url;
  return path.startsWith(start.endsWith('/') ? start : `${start}/`);
}

function has(values: readonly string[], value: string): boolean {
  return (values.length === 1 && values[0] === '*') || values.includes(value);
}
