/** A PersistentVolumeClaim whose volume is a path of this node (hostPath or local). */
import type { AnyObject } from '../../machinery/index.ts';
import { persistentVolumeClaims, persistentVolumes } from '../kinds.ts';
import { useHostPath } from './hostpath.ts';
import type { VolumePlugin } from './volume.ts';

export const claimVolume: VolumePlugin = {
  name: 'persistentVolumeClaim',
  updates: false,
  async setUp({ persistentVolumeClaim: source }, { context, pod }) {
    const name = source?.claimName ?? '';
    const claim: AnyObject = await context.client.get<any>(persistentVolumeClaims, {
      name,
      namespace: pod.metadata.namespace,
    });
    const bound = claim.spec?.volumeName;
    if (!bound || claim.status?.phase !== 'Bound')
      throw new Error(`persistentvolumeclaim "${name}" is not bound to a volume yet`);
    const volume: AnyObject = await context.client.get<any>(persistentVolumes, { name: bound });
    const { hostPath, local } = volume.spec ?? {};
    if (!hostPath && !local) {
      throw new Error(
        `persistentvolume "${bound}" is of a kind that this node cannot mount; it knows hostPath and local`,
      );
    }
    const path = await useHostPath(hostPath?.path ?? local.path, hostPath?.type ?? (local ? 'Directory' : ''));
    return { path, readOnly: source?.readOnly ?? false };
  },
};
