/**
 * Volumes: claims and volumes find each other, a claim of the default StorageClass gets a folder of its node, what a claim leaves behind is
 * kept or deleted as its volume says, and ephemeral volumes of pods get their claims.
 */
import type { Controller } from '../../client/index.ts';
import { claimBinder } from './claims.ts';
import { ephemeralVolumes } from './ephemeral.ts';
import { type LocalVolumes, newLocalProvisioner } from './provisioner.ts';
import { volumeReclaimer } from './volumes.ts';

export { type LocalVolumes, localProvisioner } from './provisioner.ts';

/** Without `volumes` only what is there is bound, and what drivers make. */
export function volumeControllers(volumes: LocalVolumes | undefined): Controller[] {
  const provisioner = volumes && newLocalProvisioner(volumes);
  return [claimBinder(provisioner) as Controller, volumeReclaimer(provisioner), ephemeralVolumes];
}
