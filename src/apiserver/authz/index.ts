/**
 * May they. Unless it is configured otherwise, allowed is what a node needs for its pods and what RBAC grants, and nothing else; members of
 * `system:masters` may do everything.
 */
import type { Attributes } from './attributes.ts';

/** How upstream words a refusal; clients and people know it by heart. */
export function refusal(attributes: Attributes): string {
  const { user, verb, isResource, group, resource, subresource, namespace, path } = attributes;
  if (!isResource) return `User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  return `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`;
}

export { Rbac, type PolicyRule, ruleAllows } from './rbac.ts';
export { NodeAuthorizer, nodeOf } from './node/index.ts';
export { bootstrapPolicy } from './policy.ts';
export {
  type Authorizer,
  AuthorizerChain,
  type Rules,
} from './chain.ts';
export { authorizersOf, type ConfiguredAuthorizer } from './configured.ts';
export { nodeMember, rbacMember } from './builtin.ts';
export type { Attributes, Deciding, Decision } from './attributes.ts';
export { selectorsOf } from './webhook/review.ts';
