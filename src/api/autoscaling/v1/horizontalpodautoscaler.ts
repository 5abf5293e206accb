/** autoscaling/v1 has one metric, CPU; the rest of a v2 autoscaler travels in annotations, as upstream writes them. */
import { type AnyObject, cause, type StatusCause } from '../../../machinery/index.ts';
import { horizontalPodAutoscaler as v2 } from '../v2/horizontalpodautoscaler.ts';
import type { HorizontalPodAutoscalerV1 } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

const carried = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
};

const isCpu = (metric: AnyObject, part: string, value: string) =>
  metric.type === 'Resource' && metric.resource?.name === 'cpu' && metric.resource[part]?.[value] !== undefined;

export function hpaToV1(object: AnyObject): AnyObject {
  const { metrics = [], behavior, ...spec } = object.spec ?? {};
  const { currentMetrics = [], conditions, ...status } = object.status ?? {};
  const cpu = metrics.find((metric: AnyObject) => isCpu(metric, 'target', 'averageUtilization'));
  const currentCpu = currentMetrics.find((metric: AnyObject) => isCpu(metric, 'current', 'averageUtilization'));
  const others = metrics.filter((metric: AnyObject) => metric !== cpu);
  const extra: Record<string, string> = {};
  if (others.length > 0) extra[carried.metrics] = JSON.stringify(others);
  if (currentMetrics.length > 0) extra[carried.currentMetrics] = JSON.stringify(currentMetrics);
  if (conditions?.length > 0) extra[carried.conditions] = JSON.stringify(conditions);
  if (behavior) extra[carried.behavior] = JSON.stringify(behavior);
  if (cpu) spec.targetCPUUtilizationPercentage = cpu.resource.target.averageUtilization;
  if (currentCpu) status.currentCPUUtilizationPercentage = currentCpu.resource.current.averageUtilization;
  status.currentReplicas ??= 0;
  const annotations = { ...object.metadata.annotations, ...extra };
  const metadata = { ...object.metadata, ...(Object.keys(annotations).length > 0 && { annotations }) };
  return { ...object, apiVersion: 'autoscaling/v1', metadata, spec, status };
}

export function hpaFromV1(object: AnyObject): AnyObject {
  const { targetCPUUtilizationPercentage, ...spec } = object.spec ?? {};
  const { currentCPUUtilizationPercentage: _current, ...status } = object.status ?? {};
  const { metadata, taken } = takeAnnotations(object.metadata);
  const metrics = Array.isArray(taken.metrics) ? [...taken.metrics] : [];
  if (targetCPUUtilizationPercentage !== undefined) {
    const target = { type: 'Utilization', averageUtilization: targetCPUUtilizationPercentage };
    metrics.unshift({ type: 'Resource', resource: { name: 'cpu', target } });
  }
  if (metrics.length > 0) spec.metrics = metrics;
  if (taken.behavior) spec.behavior = taken.behavior;
  if (taken.currentMetrics) status.currentMetrics = taken.currentMetrics;
  if (taken.conditions) status.conditions = taken.conditions;
  return { ...object, apiVersion: 'autoscaling/v2', metadata, spec, status };
}

function takeAnnotations(from: AnyObject['metadata']) {
  const annotations = { ...from.annotations };
  const taken: Record<string, any> = {};
  for (const [field, name] of Object.entries(carried)) {
    const text = annotations[name];
    if (text === undefined) continue;
    delete annotations[name];
    try {
      taken[field] = JSON.parse(text);
    } catch {
      // Upstream ignores what it cannot read, too.
    }
  }
  const { annotations: _all, ...rest } = from;
  return { metadata: { ...rest, ...(Object.keys(annotations).length > 0 && { annotations }) }, taken };
}

export const horizontalPodAutoscalerV1: Override<HorizontalPodAutoscalerV1> = {
  default(object) {
    object.spec.minReplicas ??= 1;
    if (!object.metadata.annotations?.[carried.metrics]) object.spec.targetCPUUtilizationPercentage ??= 80;
  },
  validate(object): StatusCause[] {
    const percentage = object.spec.targetCPUUtilizationPercentage;
    const field = 'spec.targetCPUUtilizationPercentage';
    if (percentage !== undefined && percentage < 1) return [cause.invalid(field, percentage, 'must be greater than 0')];
    return v2.validate?.(hpaFromV1(object as AnyObject) as any, undefined) ?? [];
  },
  columns: v2.columns?.map((column) => ({
    ...column,
    value: (object: AnyObject, now: number) => column.value(hpaFromV1(object), now),
  })),
};
