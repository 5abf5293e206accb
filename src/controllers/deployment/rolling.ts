/** How far a release may go at once. Pure: numbers in, numbers out. */
import type { Deployment, ReplicaSet } from '../../api/index.ts';
import { desiredAnnotation, maxAnnotation } from './revision.ts';

export interface Bounds {
  /** Pods beyond the wanted number that may exist. */
  surge: number;
  /** Pods below the wanted number that may be missing. */
  unavailable: number;
}

export function boundsOf({ spec }: Deployment): Bounds {
  if (spec.strategy?.type === 'Recreate') return { surge: 0, unavailable: 0 };
  const wanted = spec.replicas ?? 1;
  const { maxSurge = '25%', maxUnavailable = '25%' } = spec.strategy?.rollingUpdate ?? {};
  const surge = resolve(maxSurge, wanted, true);
  const gap = resolve(maxUnavailable, wanted, false);
  // percentages can both come out as nothing: then one pod may be missing, or nothing would ever move
  return { surge, unavailable: Math.min(surge === 0 && gap === 0 ? 1 : gap, wanted) };
}

function resolve(value: number | string, of: number, up: boolean): number {
  if (typeof value === 'number') return value;
  const percent = Number.parseInt(value, 10);
  return up ? Math.ceil((percent * of) / 100) : Math.floor((percent * of) / 100);
}

export const replicasOf = (set: ReplicaSet): number => set.spec?.replicas ?? 1;
export const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + of(set), 0);

export const totalReplicas = (sets: readonly ReplicaSet[]): number => sum(sets, replicasOf);
export const totalActual = (sets: readonly ReplicaSet[]): number => sum(sets, (set) => set.status?.replicas ?? 0);
export const totalAvailable = (sets: readonly ReplicaSet[]): number => sum(sets, availableOf);

/** How many pods the new set should have now. */
export function newReplicas(deployment: Deployment, sets: readonly ReplicaSet[], present: number): number {
  const wanted = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === 'Recreate') return wanted;
  // a set that has not seen its new size yet may still be making pods for the old one
  if (sets.some(isUnseen)) return Math.min(present, wanted);
  const room = wanted + boundsOf(deployment).surge - sum(sets, presentOf);
  if (room <= 0 || present >= wanted) return Math.min(present, wanted);
  return present + Math.min(room, wanted - present);
}

/** Pods that it should not have any more are there until they are gone. */
const presentOf = (set: ReplicaSet): number => Math.max(replicasOf(set), set.status?.replicas ?? 0);

/** A set that was told to shrink still tells of pods that it is about to end: nobody may count on those. */
const staysAvailable = (set: ReplicaSet): number => Math.min(replicasOf(set), availableOf(set));

const isUnseen = ({ metadata, status }: ReplicaSet): boolean =>
  metadata.uid !== undefined && status?.observedGeneration !== metadata.generation;

/** How many pods each old set should have now, given the new one. Unhealthy ones go first: they are missed by nobody. */
export function oldReplicas(
  deployment: Deployment,
  olds: readonly ReplicaSet[],
  current: ReplicaSet,
): Map<ReplicaSet, number> {
  const sizes = new Map(olds.map((set) => [set, replicasOf(set)]));
  const wanted = deployment.spec.replicas ?? 1;
  const { unavailable } = boundsOf(deployment);
  const least = wanted - unavailable;
  const newMissing = replicasOf(current) - availableOf(current);
  let spare = totalReplicas([...olds, current]) - least - newMissing;
  if (spare <= 0) return sizes;
  const ordered = olds.toSorted((a, b) =>
    String(a.metadata.creationTimestamp).localeCompare(String(b.metadata.creationTimestamp)),
  );
  for (const set of ordered) {
    const down = Math.min(spare, replicasOf(set) - Math.min(replicasOf(set), availableOf(set)));
    sizes.set(set, replicasOf(set) - down);
    spare -= down;
  }
  let left = sum([...olds, current], staysAvailable) - least;
  for (const set of ordered) {
    if (left <= 0) break;
    const down = Math.min(left, sizes.get(set)!);
    sizes.set(set, sizes.get(set)! - down);
    left -= down;
  }
  return sizes;
}

/** When a Deployment is resized in the middle of a release, every set gets its share of the difference. */
export function proportionally(deployment: Deployment, sets: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const allowed =
    (deployment.spec.replicas ?? 1) > 0 ? (deployment.spec.replicas ?? 1) + boundsOf(deployment).surge : 0;
  const difference = allowed - totalReplicas(sets);
  const newest = (a: ReplicaSet, b: ReplicaSet) =>
    String(b.metadata.creationTimestamp).localeCompare(String(a.metadata.creationTimestamp));
  // growing favours what is new, shrinking ends what is old
  const ordered = sets.toSorted(
    (a, b) => replicasOf(b) - replicasOf(a) || (difference > 0 ? newest(a, b) : newest(b, a)),
  );
  const sizes = new Map(ordered.map((set) => [set, replicasOf(set)]));
  let added = 0;
  for (const set of ordered) {
    if (difference === 0) break;
    const before = Number(set.metadata.annotations?.[maxAnnotation] ?? deployment.status?.replicas ?? 0) || allowed;
    const share = Math.round((replicasOf(set) * allowed) / before) - replicasOf(set);
    const given =
      difference > 0
        ? Math.min(Math.max(share, 0), difference - added)
        : Math.max(Math.min(share, 0), difference - added);
    sizes.set(set, Math.max(0, replicasOf(set) + given));
    added += given;
  }
  const biggest = ordered[0];
  if (biggest !== undefined && added !== difference)
    sizes.set(biggest, Math.max(0, sizes.get(biggest)! + difference - added));
  return sizes;
}

/** Whether the Deployment was resized since its sets were. */
export function isResize(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = set.metadata.annotations?.[desiredAnnotation];
    return replicasOf(set) > 0 && desired !== undefined && Number(desired) !== (deployment.spec.replicas ?? 1);
  });
}
