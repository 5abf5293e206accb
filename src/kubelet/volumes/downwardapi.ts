import { downwardFiles, project } from './payload.ts';
import type { VolumePlugin } from './volume.ts';

export const downwardAPIVolume: VolumePlugin = {
  name: 'downwardAPI',
  updates: true,
  async setUp({ downwardAPI: source }, context) {
    await project(context.directory, downwardFiles(source?.items, source?.defaultMode ?? 0o644, context), context);
    return { path: context.directory, readOnly: true };
  },
};
