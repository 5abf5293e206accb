/**
 * The Metrics API, metrics.k8s.io/v1beta1: what nodes and pods use now. Nothing is stored and nobody is asked before somebody wants to know:
 * then the nodes tell, and what they told is good for a few seconds.
 */
import type { Column, Kind, Verb } from '../../api/index.ts';
import { type AnyObject, formatTime, type KubeObject } from '../../machinery/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Source } from '../resources.ts';
import { Summaries, type SummarySource, type Usage } from './summaries.ts';

export { nodeSummaries, type SummarySource } from './summaries.ts';

const group = 'metrics.k8s.io';
const version = 'v1beta1';
const verbs: readonly Verb[] = ['get', 'list'];

/** Serves the API from what `source` gives for a node. */
export function serveUsage(registry: Registry, source: SummarySource): void {
  const { resources, clock } = registry;
  const summaries = new Summaries(source, clock);
  const objects = async (resource: string): Promise<readonly AnyObject[]> => {
    const cache = await resources.cache(resources.find('', 'v1', resource)!);
    return Array.from(cache.entries.values(), (entry) => entry.object);
  };
  const nodesNamed = async (names?: ReadonlySet<string>) =>
    (await objects('nodes')).filter(({ metadata }) => names?.has(metadata.name!) ?? true);
  const nodes: Source = async ({ name, matches }) => {
    const wanted = (await nodesNamed(name === '' ? undefined : new Set([name]))).filter(matches);
    const told = await summaries.of(wanted);
    return wanted.flatMap((node) => nodeMetrics(node, told.get(node.metadata.name!), clock.now()) ?? []);
  };
  const pods: Source = async ({ name, namespace, matches }) => {
    const wanted = (await objects('pods')).filter(
      (pod) =>
        pod.status?.phase === 'Running' &&
        (namespace === '' || pod.metadata.namespace === namespace) &&
        (name === '' || pod.metadata.name === name) &&
        matches(pod),
    );
    const told = await summaries.of(await nodesNamed(new Set(wanted.map((pod) => pod.spec.nodeName))));
    return wanted.flatMap((pod) => podMetrics(pod, told.get(pod.spec.nodeName), clock.now()) ?? []);
  };
  resources.add(kindOf('nodes', 'NodeMetrics', false), undefined, { source: nodes });
  resources.add(kindOf('pods', 'PodMetrics', true), undefined, { source: pods });
}

function nodeMetrics({ metadata }: AnyObject, told: Told, now: number): AnyObject | undefined {
  if (told === undefined) return undefined;
  return objectOf('NodeMetrics', { name: metadata.name, labels: metadata.labels }, told.time, now, {
    usage: amounts(told.node),
  });
}

function podMetrics({ metadata }: AnyObject, told: Told, now: number): AnyObject | undefined {
  const found = told?.pods.get(metadata.uid!);
  if (found === undefined) return undefined;
  const { name, namespace, labels } = metadata;
  const containers = found.map((one) => ({ name: one.name, usage: amounts(one) }));
  return objectOf('PodMetrics', { name, namespace, labels }, told!.time, now, { containers });
}

type Told = Awaited<ReturnType<Summaries['of']>> extends Map<string, infer T> ? T | undefined : never;

function objectOf(kind: string, metadata: KubeObject['metadata'], time: number, now: number, more: object): AnyObject {
  return {
    kind,
    apiVersion: `${group}/${version}`,
    metadata: { ...metadata, creationTimestamp: formatTime(now) },
    timestamp: formatTime(time),
    window: '15s',
    ...more,
  } as unknown as AnyObject;
}

function amounts({ nanoCores, bytes }: Usage): Record<string, string> {
  return { cpu: `${Math.round(nanoCores)}n`, memory: `${Math.ceil(bytes / 1024)}Ki` };
}

function kindOf(resource: string, kind: string, namespaced: boolean): Kind {
  const columns: Column<AnyObject>[] = [
    { name: 'Name', type: 'string', format: 'name', value: ({ metadata }) => metadata.name! },
    { name: 'CPU', type: 'string', value: (object) => usageOf(object, 'cpu') },
    { name: 'Memory', type: 'string', value: (object) => usageOf(object, 'memory') },
    { name: 'Window', type: 'string', value: (object) => object.window },
  ];
  return {
    group,
    version,
    resource,
    kind,
    namespaced,
    singular: '',
    shortNames: [],
    categories: [],
    verbs,
    subresources: { __proto__: null as never },
    schema: {},
    nameRule: 'subdomain',
    countsGenerations: false,
    selectableFields: {},
    custom: { props: undefined, revision: version },
    columns,
  };
}

function usageOf(object: AnyObject, resource: string): string {
  return object.usage?.[resource] ?? object.containers?.map((one: any) => one.usage[resource]).join(',') ?? '';
}
