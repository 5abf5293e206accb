/** The pods of a Job. Pure. */
import { type Container, type Job, jobs, type Pod } from '../../api/index.ts';
import { podFor } from '../pods.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const indexAnnotation = 'batch.kubernetes.io/job-completion-index';
export const failuresAnnotation = 'batch.kubernetes.io/job-index-failure-count';

/** `index`: of an Indexed Job. `failures`: how often this index has failed, when that is counted. */
export function jobPodFor(job: Job, index?: number, failures?: number): Pod {
  const pod = podFor(job.spec.template!, jobs, job);
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer];
  if (index === undefined) return pod;
  const name = job.metadata.name!;
  pod.metadata.generateName = `${name.slice(0, 190)}-${index}-`;
  pod.metadata.labels = { ...pod.metadata.labels, [indexAnnotation]: String(index) };
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [indexAnnotation]: String(index),
    ...(failures !== undefined && { [failuresAnnotation]: String(failures) }),
  };
  pod.spec.hostname ??= `${name}-${index}`;
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
export function failuresUpTo({ metadata }: Pod): number {
  return Number(metadata.annotations?.[failuresAnnotation] ?? 0) + 1;
}

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(trackingFinalizer) ?? false;
}
