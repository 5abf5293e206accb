/** ClusterRoles that are made of others, chosen by their labels. */
import { type ClusterRole, clusterRoles, type PolicyRule } from '../api/index.ts';
import type { Controller } from '../client/index.ts';
import { equalJson, labelSelectorAsSelector } from '../machinery/index.ts';

const isAggregate = ({ aggregationRule }: ClusterRole) => (aggregationRule?.clusterRoleSelectors?.length ?? 0) > 0;

export const clusterRoleAggregation: Controller<ClusterRole> = {
  name: 'clusterrole-aggregation-controller',
  for: clusterRoles,
  when: (_old, role) => role !== undefined && isAggregate(role),
  watches: [
    {
      resource: clusterRoles,
      keys: (_role, { lister }) =>
        lister<ClusterRole>(clusterRoles)
          .list()
          .filter(isAggregate)
          .map(({ metadata }) => metadata.name!),
    },
  ],
  async reconcile(key, { client, lister }) {
    const role = lister(clusterRoles).get(key);
    if (role === undefined || !isAggregate(role)) return;
    const rules = aggregated(role, lister(clusterRoles).list());
    if (equalJson(rules, role.rules ?? [])) return;
    await client.update<ClusterRole>(clusterRoles, { ...role, rules });
  },
};

/** Each rule once, of roles in the order of their names. */
export function aggregated(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const rules: PolicyRule[] = [];
  const sorted = all.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
  for (const selector of (role.aggregationRule?.clusterRoleSelectors ?? []).map(labelSelectorAsSelector))
    for (const other of sorted)
      if (other.metadata.name !== role.metadata.name && selector.matches(other.metadata.labels))
        for (const rule of other.rules ?? []) if (!rules.some((one) => equalJson(one, rule))) rules.push(rule);
  return rules;
}
