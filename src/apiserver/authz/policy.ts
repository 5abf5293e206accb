/** The roles and bindings that every cluster starts with (upstream's defaults, as facts in `gen/policy.json`). */
import type { AnyObject } from '../../machinery/index.ts';
import type { PolicyRule } from './rbac.ts';
import facts from './gen/policy.json' with { type: 'json' };

interface Fact {
  kind: string;
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  aggregationRule?: { clusterRoleSelectors: { matchLabels: Record<string, string> }[] };
  rules?: PolicyRule[];
  role?: string;
  subjects?: AnyObject[];
}

/** Of controllers that upstream runs only where it is asked to, or as somebody who may do far more. */
const more: readonly Fact[] = [
  ...controllerRole('storage-version-migrator-controller', [
    // an apply to what is gone asks to create it, and is then a conflict
    { verbs: ['list', 'create', 'patch'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['get'], apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'] },
    { verbs: ['patch'], apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions/status'] },
    { verbs: ['update'], apiGroups: ['storagemigration.k8s.io'], resources: ['storageversionmigrations/status'] },
  ]),
  ...controllerRole('service-account-token-controller', [
    { verbs: ['get', 'update', 'delete'], apiGroups: [''], resources: ['secrets'] },
    { verbs: ['get'], apiGroups: [''], resources: ['serviceaccounts'] },
  ]),
  ...controllerRole('podgroup-protection-controller', [
    { verbs: ['get', 'list', 'watch', 'update'], apiGroups: ['scheduling.k8s.io'], resources: ['podgroups'] },
    { verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['pods'] },
  ]),
];

const groups = 'scheduling.k8s.io';
const reads = ['get', 'list', 'watch'];

/** To upstream's roles, for what upstream serves only where it is asked to. */
const added: Readonly<Record<string, PolicyRule[]>> = {
  'system:aggregate-to-view': [
    { verbs: reads, apiGroups: [groups], resources: ['workloads', 'podgroups', 'podgroups/status'] },
  ],
  'system:aggregate-to-edit': [
    {
      verbs: ['create', 'delete', 'deletecollection', 'patch', 'update'],
      apiGroups: [groups],
      resources: ['workloads', 'podgroups'],
    },
  ],
  'system:kube-scheduler': [
    { verbs: reads, apiGroups: [groups], resources: ['podgroups'] },
    { verbs: ['patch', 'update'], apiGroups: [groups], resources: ['podgroups/status'] },
  ],
};

function controllerRole(account: string, rules: PolicyRule[]): Fact[] {
  const name = `system:controller:${account}`;
  const subject = { kind: 'ServiceAccount', name: account, namespace: 'kube-system' };
  return [
    { kind: 'ClusterRole', name, rules },
    { kind: 'ClusterRoleBinding', name, role: `ClusterRole/${name}`, subjects: [subject as never] },
  ];
}

export function bootstrapPolicy(): AnyObject[] {
  const all = [...(facts as unknown as Fact[]).map(withMore), ...more];
  return all.map((fact) => objectOf(fact, all));
}

function withMore(fact: Fact): Fact {
  const rules = fact.kind === 'ClusterRole' ? added[fact.name] : undefined;
  return rules === undefined ? fact : { ...fact, rules: [...(fact.rules ?? []), ...rules] };
}

function objectOf(fact: Fact, all: readonly Fact[]): AnyObject {
  const object: AnyObject = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: fact.kind,
    metadata: {
      name: fact.name,
      ...(fact.namespace !== undefined && { namespace: fact.namespace }),
      annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...fact.labels },
    },
  };
  if (fact.role !== undefined) {
    const [kind, name] = fact.role.split(/\/(.*)/s);
    return { ...object, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name }, subjects: fact.subjects };
  }
  if (fact.aggregationRule !== undefined) object.aggregationRule = fact.aggregationRule;
  object.rules = fact.aggregationRule === undefined ? (fact.rules ?? []) : aggregated(fact, all);
  return object;
}

/** The rules of all roles that an aggregated role selects, those that are aggregated themselves included. */
function aggregated(fact: Fact, all: readonly Fact[]): PolicyRule[] {
  const selectors = fact.aggregationRule!.clusterRoleSelectors.map((selector) => Object.entries(selector.matchLabels));
  const chosen = all.filter((other) =>
    selectors.some((labels) => labels.every(([name, value]) => other.labels?.[name] === value)),
  );
  return chosen.flatMap((other) =>
    other.aggregationRule === undefined ? (other.rules ?? []) : aggregated(other, all),
  );
}
