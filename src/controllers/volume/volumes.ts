/** What becomes of a volume: free, somebody's, or left behind by its claim. */
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
} from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { cloneJson, isStatusError } from '../../machinery/index.ts';
import { annotations } from './matching.ts';
import type { Provisioner } from './provisioner.ts';

export function volumeReclaimer(provisioner: Provisioner | undefined): Controller<PersistentVolume> {
  return {
    name: 'persistentvolume-reclaimer',
    account: 'persistent-volume-binder',
    for: persistentVolumes,
    watches: [
      {
        resource: persistentVolumeClaims,
        keys: ({ spec }: PersistentVolumeClaim) => (spec.volumeName ? [spec.volumeName] : []),
      },
    ],
    async reconcile(key, context) {
      const volume = context.lister(persistentVolumes).get(key);
      if (volume === undefined) return;
      const { claimRef } = volume.spec;
      if (!claimRef?.uid) return setPhase(volume, 'Available', context);
      const claim = await claimOf(claimRef, context);
      if (claim === undefined || claim.metadata.uid !== claimRef.uid) return release(volume, context, provisioner);
      // still to be told: the claim's own controller does it
      if (!claim.spec.volumeName) return;
      if (claim.spec.volumeName === key) return setPhase(volume, 'Bound', context);
      await letGo(volume, context, provisioner);
    },
  };
}

/** Asks the server before it says that there is none: what is left behind may be deleted. */
async function claimOf(
  { namespace = '', name = '' }: { namespace?: string; name?: string },
  { client, lister }: ReconcileContext,
): Promise<PersistentVolumeClaim | undefined> {
  const known = lister(persistentVolumeClaims).get(`${namespace}/${name}`);
  if (known !== undefined) return known;
  try {
    return await client.get(persistentVolumeClaims, { namespace, name });
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function setPhase(
  volume: PersistentVolume,
  phase: 'Available' | 'Bound' | 'Released' | 'Failed',
  { client }: ReconcileContext,
  message?: string,
): Promise<void> {
  if (volume.status?.phase === phase && volume.status.message === message) return;
  const status = { phase, ...(message && { message }) };
  await client.update(persistentVolumes, { ...volume, status }, { subresource: 'status' });
}

async function release(volume: PersistentVolume, context: ReconcileContext, provisioner: Provisioner | undefined) {
  if (volume.status?.phase !== 'Failed') await setPhase(volume, 'Released', context);
  const policy = volume.spec.persistentVolumeReclaimPolicy ?? 'Retain';
  if (policy === 'Retain' || volume.metadata.deletionTimestamp !== undefined) return;
  const by = volume.metadata.annotations?.[annotations.provisionedBy];
  if (policy === 'Delete' && by !== undefined && by !== provisioner?.name) return;
  if (policy === 'Delete' && by !== undefined && provisioner !== undefined) return provisioner.remove(volume, context);
  const fresh = context.lister(persistentVolumes).get(volume.metadata.name!) ?? volume;
  const message =
    policy === 'Delete'
      ? 'no deletable volume plugin matched: nothing here knows how to delete what it is made of; delete it by hand, or set Retain'
      : 'Recycle is not supported: use a StorageClass and Delete';
  if (fresh.status?.phase === 'Failed') return;
  context.events.event(volume, 'Warning', 'VolumeFailedDelete', message);
  await setPhase(fresh, 'Failed', context, message);
}

/** Its claim has another volume: this one is free again, or was made in vain. */
async function letGo(volume: PersistentVolume, context: ReconcileContext, provisioner: Provisioner | undefined) {
  const { metadata, spec } = volume;
  if (metadata.annotations?.[annotations.provisionedBy] && spec.persistentVolumeReclaimPolicy === 'Delete')
    return release(volume, context, provisioner);
  const next = cloneJson(volume);
  if (metadata.annotations?.[annotations.boundByController] !== undefined) {
    delete next.spec.claimRef;
    delete next.metadata.annotations![annotations.boundByController];
  } else delete next.spec.claimRef!.uid;
  await context.client.update(persistentVolumes, next);
}
