/** How the controls of the Pod Security Standards say what they found. */
import type { Pod, PodTemplateSpec } from '../../../api/index.ts';

export type PodLike = Pick<PodTemplateSpec, 'metadata' | 'spec'>;
export type PodSpec = NonNullable<Pod['spec']>;
export type Container = PodSpec['containers'][number];
export type SecurityContext = NonNullable<Container['securityContext']> & NonNullable<PodSpec['securityContext']>;

export interface Fault {
  readonly reason: string;
  readonly detail: string;
}

export function containersOf(spec: PodSpec): Container[] {
  return [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...((spec.ephemeralContainers ?? []) as Container[]),
  ];
}

export function quoted(names: Iterable<string>): string {
  return [...names].map((name) => `"${name}"`).join(', ');
}

export function sorted(values: Iterable<string>): string[] {
  return [...new Set(values)].toSorted();
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

/** `container "a"` or `containers "a", "b"`. */
export function named(what: string, names: readonly string[]): string {
  return `${counted(names.length, what)} ${quoted(names)}`;
}

/** Those of a pod, itself and its containers, whose security context is found wanting: `pod and container "a"`. */
export function setters(spec: PodSpec, bad: (context: SecurityContext) => boolean): string {
  const parts: string[] = [];
  if (spec.securityContext !== undefined && bad(spec.securityContext as SecurityContext)) parts.push('pod');
  const names = containersOf(spec)
    .filter(({ securityContext }) => securityContext !== undefined && bad(securityContext as SecurityContext))
    .map(({ name }) => name);
  if (names.length > 0) parts.push(named('container', names));
  return parts.join(' and ');
}

/** The names of the containers for which `bad` holds. */
export function containersThat(spec: PodSpec, bad: (container: Container) => boolean): string[] {
  return containersOf(spec)
    .filter(bad)
    .map(({ name }) => name);
}
