/** What pods use, from the metrics APIs that the cluster serves. Amounts are in thousandths of their unit. */
import type { CrossVersionObjectReference, LabelSelector, MetricIdentifier } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import {
  type AnyObject,
  labelSelectorAsSelector,
  quantityMilliValue,
  type Resource,
  type Selector,
} from '../../machinery/index.ts';

export interface PodMetric {
  value: number;
  /** When it was measured, and over how long before, in milliseconds. */
  timestamp: number;
  window: number;
}

export type PodMetrics = Map<string, PodMetric>;

const podMetrics: Resource<AnyObject> = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  resource: 'pods',
  kind: 'PodMetrics',
  namespaced: true,
};

/** Of one resource, by pod; of one container, or of all together. Pods of which a container has not been measured are left out. */
export async function resourceMetrics(
  client: Client,
  resource: string,
  namespace: string,
  selector: Selector,
  container: string | undefined,
): Promise<PodMetrics> {
  const { items } = await client
    .list(podMetrics, { namespace, labelSelector: selector.toString() })
    .catch(failing('unable to fetch metrics from resource metrics API'));
  if (items.length === 0) throw new Error('no metrics returned from resource metrics API');
  const found: PodMetrics = new Map();
  for (const { metadata, timestamp, window, containers } of items) {
    const of = (containers as { name: string; usage: Record<string, string> }[]).filter(
      ({ name }) => container === undefined || name === container,
    );
    if (of.length === 0 || of.some(({ usage }) => usage[resource] === undefined)) continue;
    const value = of.reduce((sum, { usage }) => sum + quantityMilliValue(usage[resource]!), 0);
    found.set(metadata.name!, { value, timestamp: Date.parse(timestamp), window: seconds(window) * 1000 });
  }
  if (container !== undefined && found.size === 0)
    throw new Error(`container ${container} not present in metrics for pods in namespace ${namespace}`);
  return found;
}

/** Of a metric that pods have, by pod. */
export async function podsMetric(
  client: Client,
  metric: string,
  namespace: string,
  selector: Selector,
): Promise<PodMetrics> {
  const items = await custom(client, `pods/*/${metric}`, namespace, selector);
  if (items.length === 0) throw new Error('no metrics returned from custom metrics API');
  return new Map(
    items.map((item): [string, PodMetric] => [
      item.describedObject.name,
      {
        value: quantityMilliValue(item.value),
        timestamp: Date.parse(item.timestamp),
        window: (item.windowSeconds ?? 60) * 1000,
      },
    ]),
  );
}

/** Of a metric that one object has. `resource` is the object's, with its group unless that is the core: `ingresses.networking.k8s.io`. */
export async function objectMetric(
  client: Client,
  { name: metric }: MetricIdentifier,
  namespace: string,
  { kind, name }: CrossVersionObjectReference,
  resource: string,
): Promise<number> {
  const path = kind === 'Namespace' ? `metrics/${metric}` : `${resource}/${name}/${metric}`;
  const [item] = await custom(client, path, namespace, undefined);
  if (item === undefined) throw new Error('no metrics returned from custom metrics API');
  return quantityMilliValue(item.value);
}

async function custom(client: Client, path: string, namespace: string, selector: Selector | undefined) {
  const resource = {
    group: 'custom.metrics.k8s.io',
    version: 'v1beta2',
    resource: path,
    kind: 'MetricValue',
    namespaced: true,
  };
  const { items } = await client
    .list<AnyObject>(resource, { namespace, ...(selector && { labelSelector: selector.toString() }) })
    .catch(failing('unable to fetch metrics from custom metrics API'));
  return items;
}

/** The values of a metric that has nothing to do with the cluster. */
export async function externalMetric(
  client: Client,
  { name, selector }: MetricIdentifier,
  namespace: string,
): Promise<number[]> {
  const resource = {
    group: 'external.metrics.k8s.io',
    version: 'v1beta1',
    resource: name,
    kind: 'ExternalMetricValue',
    namespaced: true,
  };
  const labelSelector = selector && labelSelectorAsSelector(selector as LabelSelector as never).toString();
  const { items } = await client
    .list<AnyObject>(resource, { namespace, labelSelector })
    .catch(failing('unable to fetch metrics from external metrics API'));
  if (items.length === 0) throw new Error('no metrics returned from external metrics API');
  return items.map(({ value }) => quantityMilliValue(value));
}

function failing(what: string): (error: unknown) => never {
  return (error) => {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  };
}

/** A duration as Go writes it: `30s`, `1m0s`, `15.5s`. */
function seconds(duration: string): number {
  let sum = 0;
  for (const [, amount, unit] of duration.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g))
    sum += Number(amount) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : unit === 's' ? 1 : unit === 'ms' ? 1e-3 : 0);
  return sum;
}
