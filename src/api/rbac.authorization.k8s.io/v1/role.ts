import { cause, type StatusCause } from '../../../machinery/index.ts';
import type { ClusterRole, PolicyRule, Role } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, validateSelector } from '../../rules.ts';

export const role: Override<Role> = {
  nameRule: 'path',
  validate: (object) => each('rules', object.rules, (rule, at) => validateRule(rule, at, true)),
};

export const clusterRole: Override<ClusterRole> = {
  nameRule: 'path',
  validate: (object) => [
    ...each('rules', object.rules, (rule, at) => validateRule(rule, at, false)),
    ...each('aggregationRule.clusterRoleSelectors', object.aggregationRule?.clusterRoleSelectors, validateSelector),
    ...(object.aggregationRule && !object.aggregationRule.clusterRoleSelectors?.length
      ? [
          cause.required(
            'aggregationRule.clusterRoleSelectors',
            'at least one clusterRoleSelector required if aggregationRule is non-nil',
          ),
        ]
      : []),
  ],
};

function validateRule(
  { verbs, nonResourceURLs, apiGroups, resources, resourceNames }: PolicyRule,
  at: string,
  namespaced: boolean,
): StatusCause[] {
  const causes: StatusCause[] = [];
  if (!verbs?.length) causes.push(cause.required(`${at}.verbs`, 'verbs must contain at least one value'));
  if (nonResourceURLs?.length) {
    if (namespaced)
      causes.push(
        cause.invalid(`${at}.nonResourceURLs`, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'),
      );
    if (apiGroups?.length || resources?.length || resourceNames?.length)
      causes.push(
        cause.invalid(
          `${at}.nonResourceURLs`,
          nonResourceURLs,
          'rules cannot apply to both regular resources and non-resource URLs',
        ),
      );
    return causes;
  }
  if (!apiGroups?.length)
    causes.push(cause.required(`${at}.apiGroups`, 'resource rules must supply at least one api group'));
  if (!resources?.length)
    causes.push(cause.required(`${at}.resources`, 'resource rules must supply at least one resource'));
  return causes;
}
