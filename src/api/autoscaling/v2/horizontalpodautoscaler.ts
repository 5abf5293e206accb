import { cause, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { HorizontalPodAutoscaler, HPAScalingRules, MetricSpec, MetricStatus } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, oneOf, positive, required, within } from '../../rules.ts';

export const horizontalPodAutoscaler: Override<HorizontalPodAutoscaler> = {
  default({ spec }) {
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length)
      spec.metrics = [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ];
    if (!spec.behavior) return;
    spec.behavior.scaleUp = withRules(spec.behavior.scaleUp, {
      stabilizationWindowSeconds: 0,
      selectPolicy: 'Max',
      policies: [
        { type: 'Pods', value: 4, periodSeconds: 15 },
        { type: 'Percent', value: 100, periodSeconds: 15 },
      ],
    });
    spec.behavior.scaleDown = withRules(spec.behavior.scaleDown, {
      selectPolicy: 'Max',
      policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
    });
  },
  prepare(object, old) {
    if (!old) object.status = { desiredReplicas: 0 };
  },
  validate: validateAutoscaler,
  columns: [
    nameColumn,
    text(
      'Reference',
      ({ spec }: HorizontalPodAutoscaler) => `${spec.scaleTargetRef?.kind}/${spec.scaleTargetRef?.name}`,
    ),
    text('Targets', targets),
    text('MinPods', ({ spec }: HorizontalPodAutoscaler) => String(spec.minReplicas ?? '<unset>')),
    text('MaxPods', ({ spec }: HorizontalPodAutoscaler) => String(spec.maxReplicas ?? 0)),
    text('Replicas', ({ status }: HorizontalPodAutoscaler) => String(status?.currentReplicas ?? 0)),
    ageColumn,
  ],
};

function withRules(given: HPAScalingRules | undefined, standard: HPAScalingRules): HPAScalingRules {
  return { ...standard, ...given };
}

function validateAutoscaler({ spec }: HorizontalPodAutoscaler): StatusCause[] {
  const causes: StatusCause[] = [];
  const least = spec.minReplicas ?? 1;
  if (least < 1) causes.push(cause.invalid('spec.minReplicas', least, 'must be greater than or equal to 1'));
  causes.push(...positive('spec.maxReplicas', spec.maxReplicas ?? 0));
  if ((spec.maxReplicas ?? 0) < least)
    causes.push(cause.invalid('spec.maxReplicas', spec.maxReplicas, 'must be greater than or equal to `minReplicas`'));
  for (const name of ['kind', 'name'] as const)
    causes.push(...required(`spec.scaleTargetRef.${name}`, spec.scaleTargetRef?.[name]));
  causes.push(...each('spec.metrics', spec.metrics, validateMetric));
  for (const name of ['scaleUp', 'scaleDown'] as const) {
    const rules = spec.behavior?.[name];
    if (!rules) continue;
    const at = `spec.behavior.${name}`;
    causes.push(...within(`${at}.stabilizationWindowSeconds`, rules.stabilizationWindowSeconds, 0, 3600));
    causes.push(...oneOf(`${at}.selectPolicy`, rules.selectPolicy, ['Disabled', 'Max', 'Min'], true));
    if (!rules.policies?.length) causes.push(cause.required(`${at}.policies`, 'must specify at least one Policy'));
    causes.push(
      ...each(`${at}.policies`, rules.policies, (policy, path) => [
        ...oneOf(`${path}.type`, policy.type, ['Percent', 'Pods']),
        ...positive(`${path}.value`, policy.value),
        ...within(`${path}.periodSeconds`, policy.periodSeconds, 1, 1800),
      ]),
    );
  }
  return causes;
}

const metricFields: Record<string, string> = {
  __proto__: null as never,
  Resource: 'resource',
  Pods: 'pods',
  Object: 'object',
  External: 'external',
  ContainerResource: 'containerResource',
};

function validateMetric(metric: MetricSpec, at: string): StatusCause[] {
  const causes = oneOf(`${at}.type`, metric.type, Object.keys(metricFields));
  const name = metricFields[metric.type];
  if (!name) return causes;
  const details = (metric as any)[name];
  if (!details)
    return [...causes, cause.required(`${at}.${name}`, `must populate information for the given metric source`)];
  const { type, averageUtilization, value, averageValue } = details.target ?? {};
  causes.push(...oneOf(`${at}.${name}.target.type`, type, ['AverageValue', 'Utilization', 'Value']));
  causes.push(...positive(`${at}.${name}.target.averageUtilization`, averageUtilization));
  if (averageUtilization === undefined && value === undefined && averageValue === undefined)
    causes.push(cause.required(`${at}.${name}.target`, 'must set either a target raw value or a target utilization'));
  return causes;
}

/** Each metric as what it is now and what it should be. */
function targets({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const shown = metrics.slice(0, 2).map((metric, i) => target(metric, status?.currentMetrics?.[i]));
  return metrics.length > 2 ? `${shown.join(', ')} + ${metrics.length - 2} more...` : shown.join(', ');
}

function target(metric: MetricSpec, now: MetricStatus | undefined): string {
  const name = metricFields[metric.type] ?? '';
  const wanted = (metric as any)[name];
  const current = (now as any)?.[name]?.current ?? {};
  const prefix = wanted?.name ? `${wanted.name}: ` : '';
  if (wanted?.target?.averageUtilization !== undefined)
    return `${prefix}${current.averageUtilization === undefined ? '<unknown>' : `${current.averageUtilization}%`}/${wanted.target.averageUtilization}%`;
  if (wanted?.target?.averageValue !== undefined) {
    const average = metric.type === 'External' || metric.type === 'Object' ? ' (avg)' : '';
    const label = metric.type === 'Resource' || metric.type === 'ContainerResource' ? prefix : '';
    return `${label}${current.averageValue ?? '<unknown>'}/${wanted.target.averageValue}${average}`;
  }
  return `${current.value ?? '<unknown>'}/${wanted?.target?.value ?? '<auto>'}`;
}
