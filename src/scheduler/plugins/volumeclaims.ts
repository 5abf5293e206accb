/** What the volume plugins know of a pod's claims. */
import {
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type StorageClass,
  type Volume,
} from '../../api/index.ts';
import type { Lister } from '../../client/index.ts';
import type { Handle } from '../handle.ts';

export interface VolumeListers {
  readonly claims: Lister<PersistentVolumeClaim>;
  readonly volumes: Lister<PersistentVolume>;
  readonly classes: Lister<StorageClass>;
}

export function volumeListers(handle: Handle): VolumeListers {
  return {
    claims: handle.watch(persistentVolumeClaims, 'PersistentVolumeClaim'),
    volumes: handle.watch(persistentVolumes, 'PersistentVolume'),
    classes: handle.watch(storageClasses, 'StorageClass'),
  };
}

export interface ClaimUse {
  readonly name: string;
  /** The claim is made for the pod, by the controller of ephemeral volumes. */
  readonly ephemeral: boolean;
}

const none: readonly ClaimUse[] = [];

export function claimsOf({ metadata, spec }: Pod): readonly ClaimUse[] {
  let found: ClaimUse[] | undefined;
  for (const volume of spec.volumes ?? []) {
    const use = claimIn(volume, metadata.name!);
    if (use !== undefined) (found ??= []).push(use);
  }
  return found ?? none;
}

function claimIn({ name, persistentVolumeClaim, ephemeral }: Volume, pod: string): ClaimUse | undefined {
  if (persistentVolumeClaim !== undefined) return { name: persistentVolumeClaim.claimName, ephemeral: false };
  return ephemeral === undefined ? undefined : { name: `${pod}-${name}`, ephemeral: true };
}

/** The class that a claim names; '' is none. */
export function classNameOf({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '';
}

export const boundAnnotation = 'pv.kubernetes.io/bind-completed';

export function isBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return !!spec.volumeName && metadata.annotations?.[boundAnnotation] !== undefined;
}
