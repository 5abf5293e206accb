/** What the agent writes on sandboxes and containers so that it finds them again after a restart. */
import { createHash } from 'node:crypto';
import type { Container, Pod } from './kinds.ts';

export const label = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export const annotation = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  terminationLog: 'io.kubernetes.container.terminationLog',
  resources: 'io.kubernetes.container.resources',
  gracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  configSource: 'kubernetes.io/config.source',
  configSeen: 'kubernetes.io/config.seen',
} as const;

export function podLabels(pod: Pod): Record<string, string> {
  return {
    ...pod.metadata.labels,
    [label.podName]: pod.metadata.name ?? '',
    [label.podNamespace]: pod.metadata.namespace ?? '',
    [label.podUid]: pod.metadata.uid ?? '',
  };
}

/** Changes when the container must be replaced to take on its specification: today its image. */
export function containerHash(container: Container): string {
  return createHash('sha256').update(`${container.name}\n${container.image}`).digest('hex').slice(0, 8);
}

/** `name_namespace(uid)`: how messages name a pod. */
export function describePod(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}
