/**
 * Images: a content store, registries, archives, unpacked layers, root filesystems, and a builder, with no container engine.
 * It promises that content is verified against its digest before it is believed, that a name points to whole images only,
 * that `kill -9` leaves nothing half done in anyone's sight, and that an archive nobody vouches for cannot reach beyond the
 * directory it is unpacked to. Pull policy, and what runs in a root filesystem, it leaves to the kubelet and its runtimes; the
 * verbs and shapes here are those of the `ImageService` that the kubelet declares, so `cmd/` can hand `Images` over as it is.
 */
export type { Image } from './catalog.ts';
export { ImageError, type ImageErrorReason } from './errors.ts';
export type { Collected, CollectOptions } from './gc.ts';
export { type FilesystemUsage, Images, type ImagesOptions, type PullOptions, type TransferOptions } from './images.ts';
export { formatPlatform, hostPlatform, parsePlatform } from './platform.ts';
export { formatReference, parseReference, type Reference } from './reference.ts';
export { parseDockerConfig, type RegistryAuth } from './registry/credentials.ts';
export type { Progress } from './registry/pull.ts';
export type { RootfsDriver } from './rootfs.ts';
export type { Platform } from './spec.ts';
export { type BuildOptions, buildImage } from './build/build.ts';
export { DockerfileError } from './build/dockerfile.ts';
export type { RunCommand, RunRequest } from './build/run.ts';
