/** What a pod refers to, and so its node needs to read. */
import type { AnyObject } from '../../../machinery/index.ts';

/** `resource/namespace/name` of each, the pod itself among them; some more than once. */
export function* referencesOf({ metadata, spec, status }: AnyObject): Generator<string> {
  const { namespace, name: podName } = metadata;
  const of = (resource: string, name: string) => `${resource}/${namespace}/${name}`;
  yield of('pods', podName!);
  // a mirror pod stands for what the node runs anyway, and refers to nothing
  if (metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return;
  if (spec.serviceAccountName) yield of('serviceaccounts', spec.serviceAccountName);
  for (const { name } of spec.imagePullSecrets ?? []) if (name) yield of('secrets', name);
  const containers = [spec.initContainers, spec.containers, spec.ephemeralContainers].flatMap((list) => list ?? []);
  for (const container of containers) yield* environmentOf(container, of);
  for (const volume of spec.volumes ?? []) yield* volumeOf(volume, podName!, of);
  for (const { name, resourceClaimName } of spec.resourceClaims ?? []) {
    const made = status?.resourceClaimStatuses?.find((one: { name: string }) => one.name === name)?.resourceClaimName;
    if (resourceClaimName ?? made) yield of('resourceclaims', resourceClaimName ?? made);
  }
  const extended = status?.extendedResourceClaimStatus?.resourceClaimName;
  if (extended) yield of('resourceclaims', extended);
}

type Of = (resource: string, name: string) => string;

function* environmentOf({ env = [], envFrom = [] }: AnyObject, of: Of): Generator<string> {
  for (const { secretRef, configMapRef } of envFrom) {
    if (secretRef?.name) yield of('secrets', secretRef.name);
    if (configMapRef?.name) yield of('configmaps', configMapRef.name);
  }
  for (const { valueFrom } of env) {
    if (valueFrom?.secretKeyRef?.name) yield of('secrets', valueFrom.secretKeyRef.name);
    if (valueFrom?.configMapKeyRef?.name) yield of('configmaps', valueFrom.configMapKeyRef.name);
  }
}

const withSecretRef = ['cephfs', 'flexVolume', 'iscsi', 'rbd', 'scaleIO', 'storageos'];

function* volumeOf(volume: AnyObject, podName: string, of: Of): Generator<string> {
  if (volume.secret?.secretName) yield of('secrets', volume.secret.secretName);
  if (volume.configMap?.name) yield of('configmaps', volume.configMap.name);
  for (const source of volume.projected?.sources ?? []) {
    if (source.secret?.name) yield of('secrets', source.secret.name);
    if (source.configMap?.name) yield of('configmaps', source.configMap.name);
  }
  if (volume.persistentVolumeClaim?.claimName)
    yield of('persistentvolumeclaims', volume.persistentVolumeClaim.claimName);
  if (volume.ephemeral !== undefined) yield of('persistentvolumeclaims', `${podName}-${volume.name}`);
  if (volume.csi?.nodePublishSecretRef?.name) yield of('secrets', volume.csi.nodePublishSecretRef.name);
  if (volume.azureFile?.secretName) yield of('secrets', volume.azureFile.secretName);
  for (const kind of withSecretRef) if (volume[kind]?.secretRef?.name) yield of('secrets', volume[kind].secretRef.name);
}

/** `namespace/name` of the Secrets that a volume is mounted with. */
export function* secretsOfVolume({ spec }: AnyObject): Generator<string> {
  const namespace = spec.claimRef?.namespace ?? '';
  const { csi, azureFile } = spec;
  if (azureFile?.secretName) yield `${azureFile.secretNamespace ?? namespace}/${azureFile.secretName}`;
  for (const kind of withSecretRef) {
    const ref = spec[kind]?.secretRef;
    if (ref?.name) yield `${ref.namespace ?? namespace}/${ref.name}`;
  }
  for (const use of ['controllerPublish', 'nodePublish', 'nodeStage', 'nodeExpand', 'controllerExpand']) {
    const ref = csi?.[`${use}SecretRef`];
    if (ref?.name) yield `${ref.namespace}/${ref.name}`;
  }
}
