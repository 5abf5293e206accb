/** Several sources in one directory. Tokens are renewed in place before they end. */
import type { Volume } from '../kinds.ts';
import { type Files, configMapData, downwardFiles, filesOf, project, secretData, unlessAbsent } from './payload.ts';
import type { VolumeContext, VolumePlugin } from './volume.ts';

type Source = NonNullable<NonNullable<Volume['projected']>['sources']>[number];

export const projectedVolume: VolumePlugin = {
  name: 'projected',
  updates: true,
  async setUp({ projected }, context) {
    const mode = projected?.defaultMode ?? 0o644;
    const files: Files = new Map();
    for (const source of projected?.sources ?? []) {
      for (const [path, file] of await filesFrom(source, mode, context)) files.set(path, file);
    }
    await project(context.secretDirectory, files, context);
    return { path: context.secretDirectory, readOnly: true };
  },
};

async function filesFrom(source: Source, mode: number, context: VolumeContext): Promise<Files> {
  const { configMap, secret, downwardAPI, serviceAccountToken: wanted } = source;
  if (configMap) {
    const found = await unlessAbsent(configMap.optional, () => context.configMap(configMap.name ?? ''));
    return filesOf('configmap', configMapData(found), configMap.items, mode, configMap.optional ?? false);
  }
  if (secret) {
    const found = await unlessAbsent(secret.optional, () => context.secret(secret.name ?? ''));
    return filesOf('secret', secretData(found), secret.items, mode, secret.optional ?? false);
  }
  if (downwardAPI) return downwardFiles(downwardAPI.items, mode, context);
  if (wanted) {
    const token = await context.token(wanted.audience, wanted.expirationSeconds ?? 3600);
    context.renewAt(token.refreshAt);
    const grouped = context.pod.spec?.securityContext?.fsGroup !== undefined;
    return new Map([[wanted.path, { data: Buffer.from(token.value), mode: grouped ? 0o600 : mode }]]);
  }
  const kind = Object.keys(source)[0] ?? 'nothing';
  throw new Error(
    `projected source "${kind}" is not supported by this node; use configMap, secret, downwardAPI or serviceAccountToken`,
  );
}
