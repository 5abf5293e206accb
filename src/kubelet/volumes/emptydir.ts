/** A directory that lives as long as the pod; in memory when asked for and possible. */
import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { quantityValue } from '../resources.ts';
import { canMount, mountTmpfs, unmountAll } from './mount.ts';
import type { VolumePlugin } from './volume.ts';

export const emptyDirVolume: VolumePlugin = {
  name: 'emptyDir',
  updates: false,
  async setUp({ emptyDir }, context) {
    const { directory, memory, pod } = context;
    await mkdir(directory, { recursive: true });
    if (emptyDir?.medium === 'Memory' && canMount) {
      const limit = quantityValue(emptyDir.sizeLimit) || memory;
      await mountTmpfs(directory, Math.min(limit, memory), '1777');
    } else if (emptyDir?.medium && emptyDir.medium !== 'Memory') {
      throw new Error(`emptyDir medium "${emptyDir.medium}" is not supported by this node; use "" or "Memory"`);
    }
    const group = pod.spec?.securityContext?.fsGroup;
    if (group !== undefined && process.getuid?.() === 0) await chown(directory, 0, group);
    await chmod(directory, group === undefined ? 0o777 : 0o2777);
    return { path: directory, readOnly: false };
  },
  async tearDown({ directory }) {
    await unmountAll(directory);
    await rm(directory, { recursive: true, force: true });
  },
};
