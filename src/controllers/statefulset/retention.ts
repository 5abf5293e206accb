/**
 * Who owns a StatefulSet's claims, so that they go when its retention policy says so: the set, when they go with it; the pod that is to go, when
 * they go with what a smaller set no longer needs. Pure.
 */
import { type PersistentVolumeClaim, type Pod, pods, type StatefulSet, statefulSets } from '../../api/index.ts';
import { apiVersionOf, equalJson, type KubeObject, type OwnerReference, type Resource } from '../../machinery/index.ts';
import { controllerRef } from '../pods.ts';
import { ordinalOf, ordinalsOf } from './plan.ts';

function refersTo(one: OwnerReference, resource: Resource<any>, { metadata }: KubeObject): boolean {
  return one.kind === resource.kind && one.apiVersion === apiVersionOf(resource) && one.name === metadata.name;
}

/** The claim's owners as they should be; undefined: they are. What a namesake that is gone, or a stranger, controls is left alone. */
export function ownersFor(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): OwnerReference[] | undefined {
  const present = claim.metadata.ownerReferences ?? [];
  const ofSet = (one: OwnerReference) => refersTo(one, statefulSets, set);
  const ofPod = (one: OwnerReference) => refersTo(one, pods, pod);
  const isStale = (one: OwnerReference) =>
    (ofSet(one) && one.uid !== set.metadata.uid) || (ofPod(one) && one.uid !== pod.metadata.uid);
  if (present.some(isStale)) return undefined;
  const others = present.filter((one) => !ofSet(one) && !ofPod(one));
  const { whenDeleted, whenScaled } = set.spec!.persistentVolumeClaimRetentionPolicy ?? {};
  const owners = [...others];
  const retains = whenDeleted !== 'Delete' && whenScaled !== 'Delete';
  if (!retains && !others.some((one) => one.controller)) {
    const leaves = whenScaled === 'Delete' && !ordinalsOf(set).includes(ordinalOf(set, pod) ?? -1);
    if (leaves) owners.push(controllerRef(pods, pod));
    else if (whenDeleted === 'Delete') owners.push(controllerRef(statefulSets, set));
  }
  const shown = (list: readonly OwnerReference[]) =>
    list.map(({ uid, controller = false }) => ({ uid, controller })).toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
  return equalJson(shown(owners), shown(present)) ? undefined : owners;
}

/** Whether the claim goes with a pod of before: the next pod of that name waits until it is gone. */
export function goesWithFormerPod(claim: PersistentVolumeClaim, set: StatefulSet, podName: string): boolean {
  if (set.spec!.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false;
  const pod = { metadata: { name: podName } };
  return claim.metadata.ownerReferences?.some((one) => refersTo(one, pods, pod)) ?? false;
}
