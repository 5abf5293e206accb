/** Whether everything has come to rest as it was asked for; if not, what has not. */
import type { AnyObject } from '../../machinery/index.ts';
import { isActive, isReady, ownerOf, type StoredState } from './cluster.ts';

export function unrest(state: StoredState): string[] {
  const told: string[] = [];
  const all = (resource: string) => [...state.of(resource)];
  const pods = all('core/pods');
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) told.push(`pod ${nameOf(pod)} is still ending`);
    else if (isActive(pod) && !isReady(pod)) told.push(`pod ${nameOf(pod)} is not ready`);
  }
  for (const deployment of all('apps/deployments')) told.push(...deploymentUnrest(deployment));
  for (const set of all('apps/statefulsets')) told.push(...setUnrest('statefulset', set, set.spec.replicas));
  for (const set of all('apps/replicasets')) told.push(...replicaSetUnrest(set, pods));
  for (const set of all('apps/daemonsets')) told.push(...daemonSetUnrest(set, all('core/nodes')));
  for (const job of all('batch/jobs')) told.push(...jobUnrest(job));
  for (const pod of pods) told.push(...orphanUnrest(pod, state));
  for (const service of all('core/services'))
    if (service.spec.selector) told.push(...serviceUnrest(service, pods, all('discovery.k8s.io/endpointslices')));
  return told;
}

const nameOf = ({ metadata }: AnyObject) => `${metadata.namespace}/${metadata.name}`;

function deploymentUnrest(deployment: AnyObject): string[] {
  const { spec, status = {}, metadata } = deployment;
  const wanted = spec.replicas;
  const counts = [status.replicas ?? 0, status.updatedReplicas ?? 0, status.availableReplicas ?? 0];
  if (status.observedGeneration !== metadata.generation) return [`deployment ${nameOf(deployment)} was not looked at`];
  if (counts.some((count) => count !== wanted))
    return [`deployment ${nameOf(deployment)} has ${counts.join('/')} (all, updated, available) of ${wanted}`];
  return [];
}

function setUnrest(kind: string, set: AnyObject, wanted: number): string[] {
  const { status = {}, metadata } = set;
  const counts = [status.replicas ?? 0, status.updatedReplicas ?? 0, status.availableReplicas ?? 0];
  if (status.observedGeneration !== metadata.generation) return [`${kind} ${nameOf(set)} was not looked at`];
  return counts.every((count) => count === wanted)
    ? []
    : [`${kind} ${nameOf(set)} has ${counts.join('/')} (all, updated, available) of ${wanted}`];
}

function replicaSetUnrest(set: AnyObject, pods: readonly AnyObject[]): string[] {
  const own = pods.filter((pod) => ownerOf(pod)?.uid === set.metadata.uid && isActive(pod)).length;
  return own === set.spec.replicas ? [] : [`replicaset ${nameOf(set)} has ${own} of ${set.spec.replicas} pods`];
}

function daemonSetUnrest(set: AnyObject, nodes: readonly AnyObject[]): string[] {
  const { status = {} } = set;
  const counts = [status.desiredNumberScheduled, status.updatedNumberScheduled, status.numberAvailable];
  return counts.every((count) => (count ?? 0) === nodes.length)
    ? []
    : [`daemonset ${nameOf(set)} has ${counts.join('/')} (wanted, updated, available) on ${nodes.length} nodes`];
}

function jobUnrest(job: AnyObject): string[] {
  const done = job.status?.conditions?.some((one: AnyObject) => one.type === 'Complete' && one.status === 'True');
  if (!done) return [`job ${nameOf(job)} is not complete`];
  if (job.status.succeeded !== job.spec.completions)
    return [`job ${nameOf(job)} counts ${job.status.succeeded} of ${job.spec.completions}`];
  return job.status.active ? [`job ${nameOf(job)} still counts active pods`] : [];
}

function orphanUnrest(pod: AnyObject, state: StoredState): string[] {
  const owner = ownerOf(pod);
  if (owner === undefined) return [];
  const places: Record<string, string> = {
    ReplicaSet: 'apps/replicasets',
    StatefulSet: 'apps/statefulsets',
    DaemonSet: 'apps/daemonsets',
    Job: 'batch/jobs',
  };
  const there = state.get(places[owner.kind]!, `${pod.metadata.namespace}/${owner.name}`);
  return there?.metadata.uid === owner.uid ? [] : [`pod ${nameOf(pod)} outlived its ${owner.kind} ${owner.name}`];
}

function serviceUnrest(service: AnyObject, pods: readonly AnyObject[], slices: readonly AnyObject[]): string[] {
  const selector = Object.entries(service.spec.selector as Record<string, string>);
  const wanted = pods
    .filter((pod) => pod.metadata.namespace === service.metadata.namespace)
    .filter((pod) => selector.every(([name, value]) => pod.metadata.labels?.[name] === value))
    .filter((pod) => isReady(pod) && isActive(pod))
    .map(({ status }) => status.podIP as string);
  const found = slices
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name)
    .flatMap(({ endpoints }) => (endpoints ?? []) as AnyObject[])
    .filter(({ conditions }) => conditions?.ready)
    .flatMap(({ addresses }) => addresses as string[]);
  const same = wanted.toSorted().join() === found.toSorted().join();
  return same ? [] : [`service ${nameOf(service)} leads to [${found}] instead of [${wanted}]`];
}
