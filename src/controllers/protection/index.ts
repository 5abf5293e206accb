/**
 * Claims and groups that pods use, and volumes that claims use, do not go before those do: admission puts a finalizer on each when it is made, and these
 * controllers take it away again once the object is to go and nobody uses it.
 */
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  type PodGroup,
  podGroups,
  pods,
} from '../../api/index.ts';
import type { Controller } from '../../client/index.ts';
import { cloneJson, isStatusError, type KubeObject } from '../../machinery/index.ts';

const ofClaims = 'kubernetes.io/pvc-protection';
const ofVolumes = 'kubernetes.io/pv-protection';
const ofGroups = 'scheduling.k8s.io/podgroup-protection';

export const claimProtection: Controller<PersistentVolumeClaim> = {
  name: 'pvc-protection-controller',
  for: persistentVolumeClaims,
  watches: [
    {
      resource: pods,
      when: (old: Pod | undefined, pod: Pod | undefined) =>
        pod === undefined || (old !== undefined && !hasEnded(old) && hasEnded(pod)),
      keys: (pod: Pod) => claimsOf(pod).map((name) => `${pod.metadata.namespace}/${name}`),
    },
  ],
  async reconcile(key, { client, lister }) {
    const claim = lister<PersistentVolumeClaim>(persistentVolumeClaims).get(key);
    if (claim === undefined) return;
    const { name, namespace } = claim.metadata;
    const used = () =>
      lister<Pod>(pods)
        .list({ namespace })
        .some((pod) => pod.spec.nodeName && !hasEnded(pod) && claimsOf(pod).includes(name!));
    const next = protectedAs(claim, ofClaims, used);
    if (next !== undefined) await client.update(persistentVolumeClaims, next).catch(gone);
  },
};

export const volumeProtection: Controller<PersistentVolume> = {
  name: 'pv-protection-controller',
  for: persistentVolumes,
  async reconcile(key, { client, lister }) {
    const volume = lister<PersistentVolume>(persistentVolumes).get(key);
    if (volume === undefined) return;
    const next = protectedAs(volume, ofVolumes, () => volume.status?.phase === 'Bound');
    if (next !== undefined) await client.update(persistentVolumes, next).catch(gone);
  },
};

export const podGroupProtection: Controller<PodGroup> = {
  name: 'podgroup-protection-controller',
  for: podGroups,
  watches: [
    {
      resource: pods,
      when: (old: Pod | undefined, pod: Pod | undefined) =>
        pod === undefined || (old !== undefined && !hasEnded(old) && hasEnded(pod)),
      keys: (pod: Pod) => [groupOf(pod) ?? []].flat(),
    },
  ],
  async reconcile(key, { client, lister }) {
    const group = lister<PodGroup>(podGroups).get(key);
    if (group?.metadata.deletionTimestamp === undefined) return;
    const used = () =>
      lister<Pod>(pods)
        .list({ namespace: group.metadata.namespace! })
        .some((pod) => !hasEnded(pod) && groupOf(pod) === key);
    const next = protectedAs(group, ofGroups, used);
    if (next !== undefined) await client.update(podGroups, next).catch(gone);
  },
};

/** `namespace/name`. */
function groupOf({ metadata, spec }: Pod): string | undefined {
  const name = spec.schedulingGroup?.podGroupName;
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function claimsOf({ metadata, spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim !== undefined) return [persistentVolumeClaim.claimName];
    return ephemeral === undefined ? [] : [`${metadata.name}-${name}`];
  });
}

/** With the finalizer while it stays, without when it may go; undefined: as it is. */
function protectedAs<T extends KubeObject>(object: T, finalizer: string, used: () => boolean): T | undefined {
  const { deletionTimestamp, finalizers = [] } = object.metadata;
  const has = finalizers.includes(finalizer);
  if (deletionTimestamp === undefined ? has : !has || used()) return undefined;
  const next = cloneJson(object) as T;
  next.metadata.finalizers = has ? finalizers.filter((one) => one !== finalizer) : [...finalizers, finalizer];
  return next;
}

function gone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}
