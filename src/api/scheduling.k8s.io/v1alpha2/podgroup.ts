import { ageColumn, nameColumn, orNone, text } from '../../columns.ts';
import type { PodGroup } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

export const podGroup: Override<PodGroup> = {
  prepare(object, old) {
    if (!old) object.status = {};
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
