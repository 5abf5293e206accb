/** One measure of an autoscaler: what it is now, and how many replicas it asks for. */
import type { MetricSpec, MetricStatus, MetricTarget } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { formatQuantity, quantityMilliValue, type Selector } from '../../machinery/index.ts';
import { byAverage, byShare, byUtilization, byValue, type Proposal, type Situation } from './replicas.ts';
import { externalMetric, objectMetric, podsMetric, resourceMetrics } from './usage.ts';

export interface Measured {
  readonly replicas: number;
  /** As events call it. */
  readonly name: string;
  readonly status: MetricStatus;
}

/** It cannot be had. `reason` as events and conditions give it. */
export class MeasureError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface Asked {
  readonly client: Client;
  readonly namespace: string;
  readonly selector: Selector;
  readonly situation: Situation;
  /** How many there are. */
  readonly replicas: number;
}

/** Throws a `MeasureError`. `nameOf` gives the resource of a kind, with its group. */
export async function measure(
  metric: MetricSpec,
  asked: Asked,
  nameOf: (kind: string, apiVersion: string | undefined) => string,
): Promise<Measured> {
  switch (metric.type) {
    case 'Resource':
      return guarded('FailedGetResourceMetric', () => ofResource(metric, asked));
    case 'ContainerResource':
      return guarded('FailedGetContainerResourceMetric', () => ofResource(metric, asked));
    case 'Pods':
      return guarded('FailedGetPodsMetric', () => ofPods(metric, asked));
    case 'Object':
      return guarded('FailedGetObjectMetric', () => ofObject(metric, asked, nameOf));
    case 'External':
      return guarded('FailedGetExternalMetric', () => ofExternal(metric, asked));
    default:
      throw new MeasureError('InvalidMetricSourceType', `invalid metric source type "${metric.type}"`);
  }
}

async function guarded(reason: string, get: () => Promise<Measured>): Promise<Measured> {
  try {
    return await get();
  } catch (error) {
    throw new MeasureError(reason, error instanceof Error ? error.message : String(error));
  }
}

async function ofResource({ type, resource, containerResource }: MetricSpec, asked: Asked): Promise<Measured> {
  const { name, target } = (containerResource ?? resource)!;
  const container = containerResource?.container;
  const { client, namespace, selector, situation } = asked;
  const byValueOnly = target.averageValue !== undefined;
  const metrics = await resourceMetrics(client, name, namespace, selector, container).catch((error: Error) => {
    const what = byValueOnly ? 'usage' : 'utilization';
    throw new Error(`failed to get ${name} ${what}: unable to get metrics for resource ${name}: ${error.message}`);
  });
  const format = name === 'memory' ? 'BinarySI' : 'DecimalSI';
  let found: Proposal;
  try {
    found = byValueOnly
      ? byAverage(situation, metrics, quantityMilliValue(target.averageValue!), name)
      : byUtilization(situation, metrics, utilizationOf(target), name, container);
  } catch (error) {
    throw new Error(`failed to get ${name} ${byValueOnly ? 'usage' : 'utilization'}: ${(error as Error).message}`);
  }
  const current = {
    averageValue: milli(found.average, format),
    ...(found.utilization !== undefined && { averageUtilization: found.utilization }),
  };
  const kind = containerResource === undefined ? 'resource' : 'container resource';
  return {
    replicas: found.replicas,
    name: byValueOnly ? `${name} resource` : `${name} ${kind} utilization (percentage of request)`,
    status: containerResource
      ? { type, containerResource: { name, container: containerResource.container, current } }
      : { type, resource: { name, current } },
  };
}

function utilizationOf({ averageUtilization }: MetricTarget): number {
  if (averageUtilization !== undefined) return averageUtilization;
  throw new Error(
    'invalid resource metric source: neither an average utilization target nor an average value target was set',
  );
}

async function ofPods({ type, pods }: MetricSpec, asked: Asked): Promise<Measured> {
  const { metric, target } = pods!;
  const metrics = await podsMetric(asked.client, metric.name, asked.namespace, asked.selector);
  const found = byAverage(asked.situation, metrics, quantityMilliValue(target.averageValue!), undefined);
  const status = { type, pods: { metric, current: { averageValue: milli(found.average) } } };
  return { replicas: found.replicas, name: `pods metric ${metric.name}`, status };
}

async function ofObject(
  { type, object }: MetricSpec,
  asked: Asked,
  nameOf: (kind: string, apiVersion: string | undefined) => string,
): Promise<Measured> {
  const { metric, target, describedObject } = object!;
  const resource = nameOf(describedObject.kind, describedObject.apiVersion);
  const usage = await objectMetric(asked.client, metric, asked.namespace, describedObject, resource);
  const [found, current] = ofWhole(usage, target, asked);
  const name = `${describedObject.kind} metric ${metric.name}`;
  return { replicas: found.replicas, name, status: { type, object: { metric, describedObject, current } } };
}

async function ofExternal({ type, external }: MetricSpec, asked: Asked): Promise<Measured> {
  const { metric, target } = external!;
  const values = await externalMetric(asked.client, metric, asked.namespace);
  const usage = values.reduce((sum, value) => sum + value, 0);
  const [found, current] = ofWhole(usage, target, asked);
  return {
    replicas: found.replicas,
    name: `external metric ${metric.name}`,
    status: { type, external: { metric, current } },
  };
}

/** What all work on together: as a whole, or as each one's share. */
function ofWhole(usage: number, target: MetricTarget, { situation, replicas }: Asked): [Proposal, object] {
  if (target.averageValue !== undefined) {
    const found = byShare(replicas, situation.tolerances, usage, quantityMilliValue(target.averageValue));
    return [found, { averageValue: milli(found.average) }];
  }
  if (target.value === undefined)
    throw new Error('invalid metric source: neither a value target nor an average value target was set');
  const found = byValue(situation, usage, quantityMilliValue(target.value));
  return [found, { value: milli(usage) }];
}

function milli(thousandths: number, format: 'DecimalSI' | 'BinarySI' = 'DecimalSI'): string {
  return formatQuantity({ nanos: BigInt(Math.round(thousandths)) * 1_000_000n, format });
}
