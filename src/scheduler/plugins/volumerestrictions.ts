import { persistentVolumeClaims, type Pod, type Volume } from '../../api/index.ts';
import type { Plugin, Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import type { Snapshot } from '../snapshot.ts';
import { claimsOf } from './volumeclaims.ts';

const name = 'VolumeRestrictions';
const disk: Rejection = { reason: 'node(s) had no available disk' };
const inUse: Rejection = {
  reason:
    'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
};

/** Some volumes serve one pod, or one node, at a time. */
export const volumeRestrictions = (_args: unknown, handle: Handle): Plugin => {
  const claims = handle.watch(persistentVolumeClaims, 'PersistentVolumeClaim');
  const exclusive = (pod: Pod) =>
    claimsOf(pod).filter((use) =>
      claims.get(`${pod.metadata.namespace}/${use.name}`)?.spec.accessModes?.includes('ReadWriteOncePod'),
    );
  return {
    name,
    preFilter({ pod, state }) {
      const alone = exclusive(pod).map((use) => use.name);
      const disks = (pod.spec.volumes ?? []).filter(isDisk);
      if (alone.length + disks.length === 0) return 'skip';
      state.set(name, { alone, disks });
      return undefined;
    },
    filter({ pod, state, snapshot }, node) {
      const { alone, disks } = state.get(name) as { alone: string[]; disks: Volume[] };
      for (const other of node.pods.values()) {
        if (disks.some((one) => other.spec.volumes?.some((volume) => conflicts(one, volume)))) return disk;
      }
      return alone.some((claim) => isUsed(snapshot, pod, claim)) ? inUse : undefined;
    },
    events: ['NodeAdd', 'PodDelete', 'PersistentVolumeClaim'],
    helps(pod, event, old) {
      if (event !== 'PodDelete') return true;
      const other = old as Pod;
      if (other.spec.volumes?.some(isDisk)) return true;
      if (other.metadata.namespace !== pod.metadata.namespace) return false;
      const theirs = new Set(claimsOf(other).map((use) => use.name));
      return exclusive(pod).some((use) => theirs.has(use.name));
    },
  };
};

function isUsed(snapshot: Snapshot, { metadata: { namespace } }: Pod, claim: string): boolean {
  for (const { pods } of snapshot.nodes)
    for (const other of pods.values())
      if (other.metadata.namespace === namespace && claimsOf(other).some((use) => use.name === claim)) return true;
  return false;
}

function isDisk(volume: Volume): boolean {
  return !!(volume.gcePersistentDisk ?? volume.awsElasticBlockStore ?? volume.rbd ?? volume.iscsi);
}

function conflicts(a: Volume, b: Volume): boolean {
  const writes = (one: { readOnly?: boolean }, other: { readOnly?: boolean }) => !(one.readOnly && other.readOnly);
  const [gce, otherGce] = [a.gcePersistentDisk, b.gcePersistentDisk];
  if (gce && otherGce && gce.pdName === otherGce.pdName && writes(gce, otherGce)) return true;
  const [aws, otherAws] = [a.awsElasticBlockStore, b.awsElasticBlockStore];
  if (aws && otherAws && aws.volumeID === otherAws.volumeID) return true;
  const [iscsi, otherIscsi] = [a.iscsi, b.iscsi];
  if (iscsi && otherIscsi && iscsi.iqn === otherIscsi.iqn && writes(iscsi, otherIscsi)) return true;
  const [rbd, otherRbd] = [a.rbd, b.rbd];
  if (!rbd || !otherRbd || rbd.image !== otherRbd.image || !writes(rbd, otherRbd)) return false;
  return (
    (rbd.pool ?? 'rbd') === (otherRbd.pool ?? 'rbd') && rbd.monitors.some((one) => otherRbd.monitors.includes(one))
  );
}
