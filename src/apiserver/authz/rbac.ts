/**
 * Role-based access control. Bindings are indexed by subject once per change of any role or binding; a decision looks at the rules that the
 * user's name and groups lead to.
 */
import type { AnyObject } from '../../machinery/index.ts';
import type { Attributes, Decision } from './attributes.ts';
import { groups } from '../authn/index.ts';
import type { User } from '../request.ts';

export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

interface Grant {
  readonly rules: readonly PolicyRule[];
  /** '' for all namespaces. */
  readonly namespace: string;
  /** `ClusterRoleBinding "x" of ClusterRole "y"`, for the reason. */
  readonly by: string;
}

/** The four kinds, as they are stored now. */
export interface RbacObjects {
  clusterRoles(): Iterable<AnyObject>;
  clusterRoleBindings(): Iterable<AnyObject>;
  roles(): Iterable<AnyObject>;
  roleBindings(): Iterable<AnyObject>;
}

export class Rbac {
  readonly #objects: RbacObjects;
  #bySubject: Map<string, Grant[]> | undefined;

  constructor(objects: RbacObjects) {
    this.#objects = objects;
  }

  /** A role or binding has changed. */
  invalidate(): void {
    this.#bySubject = undefined;
  }

  authorize(attributes: Attributes): Decision {
    if (attributes.user.groups.includes(groups.masters)) return { allowed: true, reason: '' };
    for (const grant of this.#grantsOf(attributes.user)) {
      if (grant.namespace !== '' && grant.namespace !== attributes.namespace) continue;
      if (grant.rules.some((rule) => ruleAllows(rule, attributes)))
        return {
          allowed: true,
          reason: `RBAC: allowed by ${grant.by} to User ${JSON.stringify(attributes.user.name)}`,
        };
    }
    return { allowed: false, reason: '' };
  }

  /** Every rule that holds for the user in a namespace: what SelfSubjectRulesReview and escalation checks ask. */
  rulesFor(user: User, namespace: string): PolicyRule[] {
    const rules: PolicyRule[] = [];
    if (user.groups.includes(groups.masters)) rules.push(everything, everyPath);
    for (const grant of this.#grantsOf(user))
      if (grant.namespace === '' || grant.namespace === namespace) rules.push(...grant.rules);
    return rules;
  }

  *#grantsOf(user: User): Generator<Grant> {
    const index = (this.#bySubject ??= this.#build());
    yield* index.get(`User/${user.name}`) ?? [];
    for (const group of user.groups) yield* index.get(`Group/${group}`) ?? [];
  }

  #build(): Map<string, Grant[]> {
    const clusterRoles = new Map<string, PolicyRule[]>();
    for (const role of this.#objects.clusterRoles()) clusterRoles.set(role.metadata.name!, role.rules ?? []);
    const roles = new Map<string, PolicyRule[]>();
    for (const role of this.#objects.roles())
      roles.set(`${role.metadata.namespace}/${role.metadata.name}`, role.rules ?? []);
    const index = new Map<string, Grant[]>();
    const add = (binding: AnyObject, namespace: string) => {
      const { kind, name } = binding.roleRef;
      const rules = kind === 'ClusterRole' ? clusterRoles.get(name) : roles.get(`${namespace}/${name}`);
      if (rules === undefined) return;
      const by = `${binding.kind} ${JSON.stringify(binding.metadata.name)} of ${kind} ${JSON.stringify(name)}`;
      for (const subject of binding.subjects ?? []) {
        const key = keyOfSubject(subject, namespace);
        const grants = index.get(key);
        if (grants === undefined) index.set(key, [{ rules, namespace, by }]);
        else grants.push({ rules, namespace, by });
      }
    };
    for (const binding of this.#objects.clusterRoleBindings()) add(binding, '');
    for (const binding of this.#objects.roleBindings()) add(binding, binding.metadata.namespace!);
    return index;
  }
}

const everything: PolicyRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
const everyPath: PolicyRule = { verbs: ['*'], nonResourceURLs: ['*'] };

function keyOfSubject(
  subject: AnyObject & { kind?: string; name?: string; namespace?: string },
  namespace: string,
): string {
  if (subject.kind !== 'ServiceAccount') return `${subject.kind}/${subject.name}`;
  return `User/system:serviceaccount:${subject.namespace ?? namespace}:${subject.name}`;
}

export function ruleAllows(rule: PolicyRule, attributes: Omit<Attributes, 'user'>): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if (!attributes.isResource) return rule.nonResourceURLs?.some((url) => pathMatches(url, attributes.path)) ?? false;
  return (
    has(rule.apiGroups, attributes.group) &&
    resourceMatches(rule.resources, attributes.resource, attributes.subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(attributes.name))
  );
}

function has(allowed: readonly string[] | undefined, wanted: string): boolean {
  return allowed !== undefined && (allowed.includes('*') || allowed.includes(wanted));
}

function resourceMatches(allowed: readonly string[] | undefined, resource: string, subresource: string): boolean {
  if (allowed === undefined) return false;
  const wanted = subresource === '' ? resource : `${resource}/${subresource}`;
  return allowed.some((one) => one === '*' || one === wanted || (subresource !== '' && one === `*/${subresource}`));
}

function pathMatches(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1));
}
