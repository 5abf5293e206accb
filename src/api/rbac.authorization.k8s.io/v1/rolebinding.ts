import {
  cause,
  equalJson,
  pathSegmentProblems,
  type StatusCause,
  subdomainProblems,
} from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text, wide } from '../../columns.ts';
import type { ClusterRoleBinding, RoleBinding, Subject } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, named, oneOf, required } from '../../rules.ts';

type Binding = ClusterRoleBinding | RoleBinding;
const group = 'rbac.authorization.k8s.io';

const binding = (roleKinds: readonly string[], namespaced: boolean): Override<Binding> => ({
  nameRule: 'path',
  default(object) {
    if (object.roleRef) object.roleRef.apiGroup ||= group;
    for (const subject of object.subjects ?? [])
      if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= group;
  },
  validate(object, old): StatusCause[] {
    const { roleRef } = object;
    const causes: StatusCause[] = [];
    if (roleRef?.apiGroup !== group) causes.push(cause.notSupported('roleRef.apiGroup', roleRef?.apiGroup, [group]));
    if (!roleKinds.includes(roleRef?.kind)) causes.push(cause.notSupported('roleRef.kind', roleRef?.kind, roleKinds));
    causes.push(...named('roleRef.name', roleRef?.name, pathSegmentProblems));
    causes.push(...each('subjects', object.subjects, (subject, at) => validateSubject(subject, at, namespaced)));
    if (old && !equalJson(roleRef, old.roleRef))
      causes.push(cause.invalid('roleRef', roleRef, 'cannot change roleRef'));
    return causes;
  },
  columns: [
    nameColumn,
    text('Role', ({ roleRef }: Binding) => `${roleRef.kind}/${roleRef.name}`),
    ageColumn,
    wide('Users', (object: Binding) => subjectsOf(object, 'User')),
    wide('Groups', (object: Binding) => subjectsOf(object, 'Group')),
    wide('ServiceAccounts', (object: Binding) => subjectsOf(object, 'ServiceAccount')),
  ],
});

export const roleBinding = binding(['Role', 'ClusterRole'], true);
export const clusterRoleBinding = binding(['ClusterRole'], false);

function validateSubject({ kind, name, apiGroup, namespace }: Subject, at: string, namespaced: boolean): StatusCause[] {
  const causes = required(`${at}.name`, name);
  if (kind === 'ServiceAccount') {
    if (name) causes.push(...named(`${at}.name`, name, subdomainProblems));
    if (apiGroup) causes.push(cause.notSupported(`${at}.apiGroup`, apiGroup, ['']));
    if (!namespaced && !namespace) causes.push(cause.required(`${at}.namespace`));
  } else if (kind === 'User' || kind === 'Group') {
    if (apiGroup !== group) causes.push(cause.notSupported(`${at}.apiGroup`, apiGroup, [group]));
  } else causes.push(...oneOf(`${at}.kind`, kind || 'none', ['ServiceAccount', 'User', 'Group']));
  return causes;
}

function subjectsOf({ subjects = [] }: Binding, kind: string): string {
  const of = subjects.filter((subject) => subject.kind === kind);
  return of
    .map(({ name, namespace }) => (kind === 'ServiceAccount' && namespace ? `${namespace}/${name}` : name))
    .join(', ');
}
