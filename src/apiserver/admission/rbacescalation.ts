import { type AnyObject, equalJson, StatusError } from '../../machinery/index.ts';
import { type PolicyRule, ruleAllows } from '../authz/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { lookup } from './lookup.ts';

const rbac = 'rbac.authorization.k8s.io';

/** Nobody hands out rights that they do not have, unless they were given `escalate` (roles) or `bind` (bindings). */
export const rbacEscalation: AdmissionStep = {
  name: 'RBACEscalation',
  resources: ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map((resource) => `${rbac}/${resource}`),
  operations: ['CREATE', 'UPDATE'],
  async validate(request) {
    const { object, old, call } = request;
    const isRole = object!.kind === 'Role' || object!.kind === 'ClusterRole';
    if (isRole ? equalJson(object!.rules, old?.rules) : equalJson(object!.subjects, old?.subjects) && old !== undefined)
      return;
    const verb = isRole ? 'escalate' : 'bind';
    const role = isRole ? object : await roleOf(request);
    const target = isRole
      ? call.served.kind.resource
      : object!.roleRef.kind === 'ClusterRole'
        ? 'clusterroles'
        : 'roles';
    const name = isRole ? call.name || object!.metadata.name! : object!.roleRef.name;
    const { namespace, user } = call;
    const attributes = {
      verb,
      isResource: true,
      group: rbac,
      resource: target,
      subresource: '',
      namespace,
      name,
      path: '',
    };
    if ((await request.registry.authorize({ user, ...attributes })).allowed) return;
    const held = request.registry.rulesFor(user, namespace).rules;
    const missing = ((role?.rules ?? []) as PolicyRule[]).filter((rule) => !covers(held, rule));
    if (missing.length === 0) return;
    throw StatusError.forbidden(
      call.served.kind,
      object!.metadata.name ?? '',
      `user ${JSON.stringify(user.name)} (groups=${JSON.stringify(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${missing.map((rule) => JSON.stringify(rule)).join('\n')}`,
    );
  },
};

async function roleOf({ registry, object, call }: AdmissionRequest): Promise<AnyObject | undefined> {
  const { kind, name } = object!.roleRef;
  const cluster = kind === 'ClusterRole';
  const path = { group: rbac, version: 'v1', resource: cluster ? 'clusterroles' : 'roles' };
  return lookup(registry, path, cluster ? '' : call.namespace, name);
}

/** Whether every single right of a rule is among those held. */
function covers(held: readonly PolicyRule[], rule: PolicyRule): boolean {
  for (const verb of rule.verbs) {
    for (const path of rule.nonResourceURLs ?? [])
      if (!held.some((one) => ruleAllows(one, { ...nothing, verb, isResource: false, path }))) return false;
    for (const group of rule.apiGroups ?? [])
      for (const full of rule.resources ?? []) {
        const [resource = '', subresource = ''] = full.split('/');
        for (const name of rule.resourceNames?.length ? rule.resourceNames : [''])
          if (!held.some((one) => ruleAllows(one, { ...nothing, verb, group, resource, subresource, name })))
            return false;
      }
  }
  return true;
}

const nothing = {
  verb: '',
  isResource: true,
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  path: '',
};
