import { csiNodes, type Pod } from '../../api/index.ts';
import type { Plugin, Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import { claimsOf, classNameOf, volumeListers } from './volumeclaims.ts';

const name = 'NodeVolumeLimits';
const exceeded: Rejection = { reason: 'node(s) exceed max volume count' };

/** A storage driver attaches only so many volumes to a node. */
export const nodeVolumeLimits = (_args: unknown, handle: Handle): Plugin => {
  const { claims, volumes, classes } = volumeListers(handle);
  const limits = handle.watch(csiNodes, 'CSINode');
  /** `driver/volume` for each of the pod's volumes that a driver attaches. */
  const attached = (pod: Pod): string[] =>
    claimsOf(pod).flatMap((use) => {
      const claim = claims.get(`${pod.metadata.namespace}/${use.name}`);
      if (claim === undefined) return [];
      const csi = claim.spec.volumeName ? volumes.get(claim.spec.volumeName)?.spec.csi : undefined;
      if (csi !== undefined) return [`${csi.driver}/${csi.volumeHandle}`];
      const provisioner = classes.get(classNameOf(claim))?.provisioner;
      return provisioner ? [`${provisioner}/${claim.metadata.namespace}/${use.name}`] : [];
    });
  return {
    name,
    preFilter({ pod, state }) {
      if (claimsOf(pod).length === 0 || limits.size === 0) return 'skip';
      const wanted = attached(pod);
      if (wanted.length === 0) return 'skip';
      state.set(name, wanted);
      return undefined;
    },
    filter({ state }, node) {
      const drivers = limits.get(node.name)?.spec.drivers ?? [];
      const wanted = state.get(name) as string[];
      for (const { name: driver, allocatable } of drivers) {
        if (allocatable?.count === undefined) continue;
        const ours = wanted.filter((one) => one.startsWith(`${driver}/`));
        if (ours.length === 0) continue;
        const all = new Set<string>();
        for (const pod of node.pods.values())
          for (const one of attached(pod)) if (one.startsWith(`${driver}/`)) all.add(one);
        for (const one of ours) all.add(one);
        if (all.size > allocatable.count) return exceeded;
      }
      return undefined;
    },
    events: ['NodeAdd', 'CSINode', 'PodDelete', 'PersistentVolume', 'PersistentVolumeClaim'],
    helps: (_pod, event, old) => event !== 'PodDelete' || claimsOf(old as Pod).length > 0,
  };
};
