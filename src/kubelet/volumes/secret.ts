import { filesOf, project, secretData, unlessAbsent } from './payload.ts';
import type { VolumePlugin } from './volume.ts';

export const secretVolume: VolumePlugin = {
  name: 'secret',
  updates: true,
  async setUp({ secret: source }, context) {
    const found = await unlessAbsent(source?.optional, () => context.secret(source?.secretName ?? ''));
    const mode = source?.defaultMode ?? 0o644;
    const files = filesOf('secret', secretData(found), source?.items, mode, source?.optional ?? false);
    await project(context.secretDirectory, files, context);
    return { path: context.secretDirectory, readOnly: true };
  },
};
