/** The kinds of volume that this node mounts, in one list, and how a pod's volumes come and go. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { ensureImage } from '../imagepull.ts';
import type { Volume } from '../kinds.ts';
import type { Context } from '../options.ts';
import { type MountedVolume, type Work, podDirectory } from '../work.ts';
import { claimVolume } from './claim.ts';
import { configMapVolume } from './configmap.ts';
import { downwardAPIVolume } from './downwardapi.ts';
import { emptyDirVolume } from './emptydir.ts';
import { hostPathVolume } from './hostpath.ts';
import { imageVolume, removeImageVolumes } from './image.ts';
import { canMount, mountTmpfs, unmountAll } from './mount.ts';
import { projectedVolume } from './projected.ts';
import { secretVolume } from './secret.ts';
import type { VolumeContext, VolumePlugin } from './volume.ts';

export const volumePlugins: readonly VolumePlugin[] = [
  emptyDirVolume,
  configMapVolume,
  secretVolume,
  projectedVolume,
  downwardAPIVolume,
  hostPathVolume,
  claimVolume,
  imageVolume,
];

const secretSize = 256 * 1024 * 1024;

/** Where secrets are written: in memory when this process may mount. */
export async function prepareSecretDirectory(directory: string): Promise<void> {
  const path = `${directory}/secrets`;
  await mkdir(path, { recursive: true, mode: 0o711 });
  if (canMount) await mountTmpfs(path, secretSize, '0711');
}

export function pluginOf(volume: Volume): VolumePlugin {
  const plugin = volumePlugins.find(({ name }) => volume[name] !== undefined && volume[name] !== null);
  if (plugin) return plugin;
  const kind = Object.keys(volume).find((field) => field !== 'name');
  if (kind === undefined) return emptyDirVolume;
  const known = volumePlugins.map(({ name }) => name).join(', ');
  throw new Error(`volume "${volume.name}" is of kind ${kind}, which this node cannot mount; it knows ${known}`);
}

export async function setUpVolume(work: Work, volume: Volume): Promise<MountedVolume> {
  return pluginOf(volume).setUp(volume, await contextFor(work, volume.name));
}

async function contextFor(work: Work, name: string): Promise<VolumeContext> {
  const { shared, pod, uid } = work;
  const namespace = pod.metadata.namespace ?? '';
  const paths = volumePaths(work, name);
  await mkdir(`${podDirectory(work)}/volumes`, { recursive: true, mode: 0o755 });
  return {
    ...paths,
    context: shared.context,
    pod,
    podDirectory: podDirectory(work),
    pullImage: (image, imagePullPolicy) => ensureImage(work, { image, imagePullPolicy }),
    facts: work.facts(),
    memory: shared.memory,
    configMap: (of) => shared.sources.configMap(uid, namespace, of),
    secret: (of) => shared.sources.secret(uid, namespace, of),
    token: (audience, seconds) => shared.tokens.get(pod, audience, seconds),
    renewAt: (time) => {
      work.volumesDueAt = Math.min(work.volumesDueAt, time);
    },
  };
}

function volumePaths(work: Work, name: string): { directory: string; secretDirectory: string } {
  return {
    directory: `${podDirectory(work)}/volumes/${name}`,
    secretDirectory: `${work.shared.context.directory}/secrets/${work.uid}/${name}`,
  };
}

/** Unmounts what pods' volumes mounted, before the directory is removed. */
export async function unmountVolumes({ directory, images }: Pick<Context, 'directory' | 'images'>): Promise<void> {
  for (const uid of await readdir(`${directory}/pods`).catch(() => []))
    await removeImageVolumes(`${directory}/pods/${uid}`, uid, images);
  await unmountAll(directory);
}

/** Undoes all that was set up for a pod; nothing of it may run any more. */
export async function tearDownVolumes(
  { directory, images }: Pick<Context, 'directory' | 'images'>,
  uid: string,
): Promise<void> {
  await removeImageVolumes(`${directory}/pods/${uid}`, uid, images);
  await unmountAll(`${directory}/pods/${uid}`);
  await rm(`${directory}/secrets/${uid}`, { recursive: true, force: true });
  await rm(`${directory}/pods/${uid}/volumes`, { recursive: true, force: true });
}
