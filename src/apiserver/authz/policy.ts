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

export function bootstrapPolicy(): AnyObject[] {
  const all = facts as unknown as Fact[];
  return all.map((fact) => objectOf(fact, all));
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
