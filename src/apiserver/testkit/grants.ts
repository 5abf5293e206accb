/** What RBAC grants, worked out from the stored roles and bindings alone: what the server decides is held against it. */
export interface Identity {
  readonly name: string;
  readonly groups: readonly string[];
}

/** An empty namespace: of the whole cluster. For a path that is no resource, `path` alone counts. */
export interface Wanted {
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly path?: string;
}

interface Rule {
  verbs?: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** The four lists, as the API gives them. */
export interface Stored {
  readonly clusterRoles: readonly any[];
  readonly roles: readonly any[];
  readonly clusterRoleBindings: readonly any[];
  readonly roleBindings: readonly any[];
}

export function granted(stored: Stored, who: Identity, wanted: Wanted): boolean {
  return [...stored.clusterRoleBindings, ...stored.roleBindings].some((binding) => {
    const { namespace } = binding.metadata;
    if (namespace !== undefined && (wanted.path !== undefined || namespace !== wanted.namespace)) return false;
    if (!(binding.subjects ?? []).some((subject: any) => isSubject(subject, who))) return false;
    return rulesOf(stored, binding).some((rule) => covers(rule, wanted));
  });
}

export function rulesOf({ clusterRoles, roles }: Stored, { roleRef, metadata }: any): Rule[] {
  const found =
    roleRef.kind === 'ClusterRole'
      ? clusterRoles.find((role) => role.metadata.name === roleRef.name)
      : roles.find((role) => role.metadata.name === roleRef.name && role.metadata.namespace === metadata.namespace);
  return found?.rules ?? [];
}

function isSubject({ kind, name, namespace }: any, who: Identity): boolean {
  if (kind === 'User') return who.name === name;
  if (kind === 'Group') return who.groups.includes(name);
  return who.name === ['system', 'serviceaccount', namespace, name].join(':');
}

export function covers(rule: Rule, { verb, group, resource, name, path }: Wanted): boolean {
  const holds = (list: string[] | undefined, value: string) => !!list && (list.includes(value) || list.includes('*'));
  if (!holds(rule.verbs, verb)) return false;
  if (path !== undefined)
    return (rule.nonResourceURLs ?? []).some((url) =>
      new RegExp(`^${url.replaceAll('.', '\\.').replace(/\*$/, '.*')}$`).test(path),
    );
  const subresource = resource!.split('/')[1];
  return (
    holds(rule.apiGroups, group!) &&
    (holds(rule.resources, resource!) ||
      (subresource !== undefined && !!rule.resources?.includes(`*/${subresource}`))) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(name ?? ''))
  );
}
