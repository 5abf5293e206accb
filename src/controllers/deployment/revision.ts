/** Revisions of a Deployment: each template is a ReplicaSet, and they are numbered in the order of their use. Pure. */
import { type Deployment, deployments, type PodTemplateSpec, type ReplicaSet } from '../../api/index.ts';
import { cloneJson, equalJson } from '../../machinery/index.ts';
import { controllerRef } from '../pods.ts';
import { hashOf } from '../templatehash.ts';

export const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas';
const historyAnnotation = 'deployment.kubernetes.io/revision-history';
/** Characters that the history may have. */
const historyLimit = 2000;
const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  desiredAnnotation,
  maxAnnotation,
  historyAnnotation,
  'deprecated.deployment.rollback.to',
]);

/** Upstream counts in 64 bits. What is not a number counts as none. */
export function revisionOf({ metadata }: { metadata: ReplicaSet['metadata'] }): bigint {
  const text = metadata.annotations?.[revisionAnnotation] ?? '';
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
}

/** With what a set that is used again was before: the oldest go when there are too many. */
export function revisedAnnotations(set: ReplicaSet, revision: bigint): Record<string, string> {
  const { [revisionAnnotation]: before, [historyAnnotation]: history = '' } = set.metadata.annotations ?? {};
  const now = { [revisionAnnotation]: String(revision) };
  if (before === undefined || revisionOf(set) >= revision) return now;
  const revisions = history === '' ? [before] : [...history.split(','), before];
  while (revisions.length > 1 && revisions.join(',').length > historyLimit) revisions.shift();
  return { ...now, [historyAnnotation]: revisions.join(',') };
}

/** The same template, whatever its hash label says. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return equalJson(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec): unknown {
  const { [hashLabel]: _, ...labels } = template.metadata?.labels ?? {};
  const { creationTimestamp: __, labels: ___, ...metadata } = template.metadata ?? {};
  return { ...template, metadata: { ...metadata, labels } };
}

/** The ReplicaSet of a Deployment's present template, to be created. */
export function replicaSetFor(deployment: Deployment, replicas: number, revision: bigint, most: number): ReplicaSet {
  const { spec, metadata, status } = deployment;
  const hash = hashOf(spec.template, status?.collisionCount);
  const template = cloneJson(spec.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [hashLabel]: hash } };
  return {
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels: { ...template.metadata.labels },
      annotations: {
        ...copiedAnnotations(deployment),
        ...countAnnotations(deployment, most),
        [revisionAnnotation]: String(revision),
      },
      ownerReferences: [controllerRef(deployments, deployment)],
    },
    spec: {
      replicas,
      ...(spec.minReadySeconds && { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [hashLabel]: hash } },
      template,
    },
  } as ReplicaSet;
}

/** A Deployment's annotations are its present ReplicaSet's, too. */
export function copiedAnnotations({ metadata }: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => !notCopied.has(name)));
}

export function countAnnotations({ spec }: Deployment, most: number): Record<string, string> {
  return { [desiredAnnotation]: String(spec.replicas ?? 1), [maxAnnotation]: String(most) };
}
