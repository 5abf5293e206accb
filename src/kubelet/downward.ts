/** The downward API: what a pod may learn of itself, as text. */
import type { Container, Pod } from './kinds.ts';
import { quantityValue } from './resources.ts';

export interface PodFacts {
  podIPs: string[];
  hostIPs: string[];
  /** Allocatable of the node: what a container without limits gets to see. */
  allocatable: Record<string, string>;
}

export function fieldValue(pod: Pod, fieldPath: string, facts: PodFacts): string {
  const subscript = /^(metadata\.(?:labels|annotations))\['(.+)'\]$/.exec(fieldPath);
  if (subscript) {
    const map = subscript[1] === 'metadata.labels' ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[subscript[2] as string] ?? '';
  }
  const values: Record<string, () => string | undefined> = {
    'metadata.name': () => pod.metadata.name,
    'metadata.namespace': () => pod.metadata.namespace,
    'metadata.uid': () => pod.metadata.uid,
    'metadata.labels': () => formatMap(pod.metadata.labels),
    'metadata.annotations': () => formatMap(pod.metadata.annotations),
    'spec.nodeName': () => pod.spec?.nodeName,
    'spec.serviceAccountName': () => pod.spec?.serviceAccountName,
    'status.podIP': () => facts.podIPs[0],
    'status.podIPs': () => facts.podIPs.join(','),
    'status.hostIP': () => facts.hostIPs[0],
    'status.hostIPs': () => facts.hostIPs.join(','),
  };
  const value = values[fieldPath];
  if (!value) throw new Error(`unsupported fieldPath: ${fieldPath}`);
  return value() ?? '';
}

function formatMap(map: Record<string, string> | undefined): string {
  const lines = Object.keys(map ?? {}).toSorted();
  return lines.map((name) => `${name}=${JSON.stringify(map?.[name])}`).join('\n');
}

/** `limits.cpu`, `requests.memory` … of a container, in units of the divisor, rounded up. */
export function resourceValue(
  pod: Pod,
  own: Container | undefined,
  reference: { resource: string; containerName?: string; divisor?: string },
  facts: PodFacts,
): string {
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const container = reference.containerName ? all.find(({ name }) => name === reference.containerName) : own;
  if (!container) throw new Error(`container ${reference.containerName ?? ''} not found`);
  const match = /^(limits|requests)\.(.+)$/.exec(reference.resource);
  if (!match) throw new Error(`unsupported container resource : ${reference.resource}`);
  const [, list, name] = match as unknown as [string, 'limits' | 'requests', string];
  const fallback = list === 'limits' ? facts.allocatable[name] : undefined;
  const value = quantityValue(container.resources?.[list]?.[name] ?? fallback);
  const divisor = quantityValue(reference.divisor) || 1;
  return String(Math.ceil(Number((value / divisor).toPrecision(15))));
}
