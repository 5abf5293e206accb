/** Which volume a claim can have. Pure. */
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/index.ts';
import { labelSelectorAsSelector, type LabelSelector, quantityValue } from '../../machinery/index.ts';

export const annotations = {
  bound: 'pv.kubernetes.io/bind-completed',
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  provisioner: 'volume.kubernetes.io/storage-provisioner',
  selectedNode: 'volume.kubernetes.io/selected-node',
  olderClass: 'volume.beta.kubernetes.io/storage-class',
} as const;

/** '' is none. */
export function classOf({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string {
  return metadata.annotations?.[annotations.olderClass] ?? spec.storageClassName ?? '';
}

/** Whether the volume is kept for this claim, by name; and by uid, once it has one. */
export function isFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { claimRef } = spec;
  return (
    claimRef !== undefined &&
    claimRef.namespace === metadata.namespace &&
    claimRef.name === metadata.name &&
    (!claimRef.uid || claimRef.uid === metadata.uid)
  );
}

/** Why the volume cannot be the claim's; undefined: it can. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  const { spec, metadata } = volume;
  if (metadata.deletionTimestamp !== undefined) return 'it is being deleted';
  if (sizeOf(volume) < wantedSize(claim)) return 'requested PV is too small';
  if (classOf(volume) !== classOf(claim)) return 'storageClassName does not match';
  if ((spec.volumeMode ?? 'Filesystem') !== (claim.spec.volumeMode ?? 'Filesystem')) return 'incompatible volumeMode';
  if (!(claim.spec.accessModes ?? []).every((mode) => spec.accessModes?.includes(mode)))
    return 'incompatible accessMode';
  if ((spec.volumeAttributesClassName ?? '') !== (claim.spec.volumeAttributesClassName ?? ''))
    return 'volumeAttributesClassName does not match';
  return undefined;
}

/** One that is kept for the claim; else, unless only such are wanted, the smallest that nobody has. */
export function bestFor(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  onlyKept: boolean,
): PersistentVolume | undefined {
  const selector = claim.spec.selector && labelSelectorAsSelector(claim.spec.selector as LabelSelector);
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (isFor(volume, claim) && mismatch(volume, claim) === undefined) return volume;
    if (onlyKept || volume.spec.claimRef !== undefined || volume.status?.phase === 'Released') continue;
    if (selector?.matches(volume.metadata.labels) === false || mismatch(volume, claim) !== undefined) continue;
    if (best === undefined || sizeOf(volume) < sizeOf(best)) best = volume;
  }
  return best;
}

function sizeOf({ spec }: PersistentVolume): number {
  return quantityValue(spec.capacity?.storage ?? '0');
}

function wantedSize({ spec }: PersistentVolumeClaim): number {
  return quantityValue(spec.resources?.requests?.storage ?? '0');
}
