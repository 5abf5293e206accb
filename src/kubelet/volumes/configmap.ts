import { configMapData, filesOf, project, unlessAbsent } from './payload.ts';
import type { VolumePlugin } from './volume.ts';

export const configMapVolume: VolumePlugin = {
  name: 'configMap',
  updates: true,
  async setUp({ configMap: source }, context) {
    const name = source?.name ?? '';
    const found = await unlessAbsent(source?.optional, () => context.configMap(name));
    const mode = source?.defaultMode ?? 0o644;
    await project(
      context.directory,
      filesOf('configmap', configMapData(found), source?.items, mode, source?.optional ?? false),
      context,
    );
    return { path: context.directory, readOnly: true };
  },
};
