import { labelProblems, subdomainProblems } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, orNone, text } from '../../columns.ts';
import type { PodGroup } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, named } from '../../rules.ts';
import { validatePolicy } from './policy.ts';

const noSpec: PodGroup['spec'] = { schedulingPolicy: {} };

export const podGroup: Override<PodGroup> = {
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate({ spec = noSpec }, old, subresource) {
    if (subresource === 'status') return [];
    const { workloadName, podGroupTemplateName } = spec.podGroupTemplateRef?.workload ?? {};
    const at = 'spec.podGroupTemplateRef';
    return [
      ...validatePolicy(spec, 'spec'),
      ...(spec.podGroupTemplateRef === undefined
        ? []
        : [
            ...named(`${at}.workload.workloadName`, workloadName, subdomainProblems),
            ...named(`${at}.workload.podGroupTemplateName`, podGroupTemplateName, labelProblems),
          ]),
      ...(old
        ? [
            ...immutable(at, spec.podGroupTemplateRef, old.spec.podGroupTemplateRef),
            ...immutable('spec.schedulingPolicy', spec.schedulingPolicy, old.spec.schedulingPolicy),
          ]
        : []),
    ];
  },
  columns: [
    nameColumn,
    text('Policy', ({ spec }: PodGroup) => (spec.schedulingPolicy?.gang ? 'Gang' : 'Basic')),
    text('Workload', ({ spec }: PodGroup) => orNone(spec.podGroupTemplateRef?.workload?.workloadName)),
    text('Status', status),
    ageColumn,
  ],
};

function status({ status: current }: PodGroup): string {
  const condition = (type: string) => current?.conditions?.find((entry) => entry.type === type);
  const disrupted = condition('DisruptionTarget');
  if (disrupted) return disrupted.reason;
  const scheduled = condition('PodGroupScheduled');
  return scheduled ? (scheduled.status === 'True' ? 'Scheduled' : 'Unschedulable') : 'Pending';
}
