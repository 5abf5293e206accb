import type { PersistentVolume } from '../../api/index.ts';
import type { Plugin, Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import { claimsOf, volumeListers } from './volumeclaims.ts';

const name = 'VolumeZone';
const keys = [
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
];

const conflict: Rejection = { reason: 'node(s) had no available volume zone', unresolvable: true };

/** A volume that says where it is, by its labels, goes only there. */
export const volumeZone = (_args: unknown, handle: Handle): Plugin => {
  const { claims, volumes } = volumeListers(handle);
  return {
    name,
    preFilter({ pod, state }) {
      const wanted: { key: string; values: ReadonlySet<string> }[] = [];
      for (const use of claimsOf(pod)) {
        const volumeName = claims.get(`${pod.metadata.namespace}/${use.name}`)?.spec.volumeName;
        const volume = volumeName === undefined ? undefined : volumes.get(volumeName);
        if (volume !== undefined) wanted.push(...zonesOf(volume));
      }
      if (wanted.length === 0) return 'skip';
      state.set(name, wanted);
      return undefined;
    },
    filter({ state }, { labels }) {
      const wanted = state.get(name) as { key: string; values: ReadonlySet<string> }[];
      // nodes that tell no zone at all are in the only one there is
      if (!keys.some((key) => labels[key] !== undefined)) return undefined;
      for (const { key, values } of wanted) {
        const value = labels[key] ?? labels[other(key)];
        if (value === undefined || !values.has(value)) return conflict;
      }
      return undefined;
    },
    events: ['NodeAdd', 'NodeUpdate', 'PersistentVolume', 'PersistentVolumeClaim', 'StorageClass'],
  };
};

function zonesOf({ metadata: { labels = {} } }: PersistentVolume) {
  return keys.flatMap((key) => {
    const value = labels[key];
    return value === undefined ? [] : [{ key, values: new Set(value.split('__')) }];
  });
}

/** The older name of a label, or the newer one. */
function other(key: string): string {
  const [stable, beta] = ['topology.kubernetes.io/', 'failure-domain.beta.kubernetes.io/'];
  return key.startsWith(stable) ? key.replace(stable, beta) : key.replace(beta, stable);
}
