/** The pods of a Job. Pure. */
import { type Container, type Job, jobs, type Pod } from '../../api/index.ts';
import { podFor } from '../pods.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const indexAnnotation = 'batch.kubernetes.io/job-completion-index';
const failuresAnnotation = 'batch.kubernetes.io/job-index-failure-count';
const ignoredAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';

/** How often an index has failed; what a failure policy overlooks does not count towards its limit, but delays it all the same. */
export interface Failures {
  counted: number;
  ignored: number;
}

/** `index`: of an Indexed Job. `failures`: of this index before, when they are counted. */
export function jobPodFor(job: Job, index?: number, failures?: Failures): Pod {
  const pod = podFor(job.spec.template!, jobs, job);
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer];
  if (index === undefined) return pod;
  const name = job.metadata.name!;
  pod.metadata.generateName = `${name.slice(0, 190)}-${index}-`;
  pod.metadata.labels = { ...pod.metadata.labels, [indexAnnotation]: String(index) };
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [indexAnnotation]: String(index),
    ...(failures && { [failuresAnnotation]: String(failures.counted) }),
    ...(failures && failures.ignored > 0 && { [ignoredAnnotation]: String(failures.ignored) }),
  };
  pod.spec.hostname = `${name}-${index}`;
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) addIndex(container);
  return pod;
}

function addIndex(container: Container): void {
  const name = 'JOB_COMPLETION_INDEX';
  if (container.env?.some((one) => one.name === name)) return;
  const fieldPath = `metadata.labels['${indexAnnotation}']`;
  container.env = [...(container.env ?? []), { name, valueFrom: { fieldRef: { fieldPath } } }];
}

export function indexOf({ metadata }: Pod): number | undefined {
  const index = metadata.annotations?.[indexAnnotation];
  return index === undefined || !/^\d+$/.test(index) ? undefined : Number(index);
}

/** How often the pod's index has failed, this pod included. */
export function failuresUpTo(pod: Pod): number {
  return countOf(pod, failuresAnnotation) + 1;
}

/** Failures of the pod's index that were overlooked, before this pod. */
export function ignoredUpTo(pod: Pod): number {
  return countOf(pod, ignoredAnnotation);
}

export function allFailuresUpTo(pod: Pod): number {
  return failuresUpTo(pod) + ignoredUpTo(pod);
}

/** What somebody else wrote there, and is no count, counts as none. */
function countOf({ metadata }: Pod, annotation: string): number {
  const count = Number(metadata.annotations?.[annotation] ?? 0);
  return Number.isInteger(count) && count >= 0 && count < 2 ** 31 ? count : 0;
}

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(trackingFinalizer) ?? false;
}
