/** The pods and claims of a StatefulSet. Pure. */
import {
  type PersistentVolumeClaim,
  type Pod,
  type PodTemplateSpec,
  type StatefulSet,
  statefulSets,
  type Volume,
} from '../../api/index.ts';
import { cloneJson } from '../../machinery/index.ts';
import { revisionHashLabel } from '../history.ts';
import { controllerRef, podFor } from '../pods.ts';

/** `revision`: the name of the template's revision. */
export function statefulPodFor(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): Pod {
  const name = `${set.metadata.name}-${ordinal}`;
  const pod = podFor(template, statefulSets, set);
  const { generateName: _, ...metadata } = pod.metadata;
  const labels = {
    ...metadata.labels,
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
    [revisionHashLabel]: revision,
  };
  const claims = claimTemplates(set).map(
    (claim): Volume => ({
      name: claim.metadata.name!,
      persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
    }),
  );
  const others = (pod.spec.volumes ?? []).filter((volume) => !claims.some((claim) => claim.name === volume.name));
  const volumes = [...others, ...claims];
  const spec = {
    ...pod.spec,
    hostname: name,
    subdomain: set.spec!.serviceName,
    ...(volumes.length > 0 && { volumes }),
  };
  return { ...pod, metadata: { ...metadata, name, labels }, spec };
}

/** The claims of one pod; they outlive it. */
export function claimsFor(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  const keeps = set.spec!.persistentVolumeClaimRetentionPolicy?.whenDeleted !== 'Delete';
  return claimTemplates(set).map((template) => ({
    metadata: {
      name: claimName(set, template, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...template.metadata.labels, ...set.spec!.selector.matchLabels },
      ...(template.metadata.annotations && { annotations: { ...template.metadata.annotations } }),
      ...(!keeps && { ownerReferences: [controllerRef(statefulSets, set)] }),
    },
    spec: cloneJson(template.spec),
  }));
}

function claimTemplates({ spec }: StatefulSet): PersistentVolumeClaim[] {
  return spec!.volumeClaimTemplates ?? [];
}

function claimName(set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string {
  return `${template.metadata.name}-${set.metadata.name}-${ordinal}`;
}
