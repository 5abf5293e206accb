/** What the kubelet and its runtimes need from others, wired in `cmd/`: images and pod addresses. */

export interface Image {
  /** `sha256:…` of the image's configuration. */
  id: string;
  /** `name@sha256:…` of the manifests it was pulled by. */
  repoDigests: string[];
  repoTags: string[];
  /** Bytes on disk. */
  size: number;
  entrypoint: string[];
  cmd: string[];
  env: string[];
  workingDir: string;
  /** `uid`, `uid:gid`, `name` or `name:group`; '' is root. */
  user: string;
  stopSignal: string;
  labels: Record<string, string>;
  exposedPorts: string[];
}

export interface RegistryAuth {
  /** The registry (and, optionally, path) it is for, as in a docker config's `auths`. */
  server: string;
  username?: string;
  password?: string;
  identityToken?: string;
}

/** CRI's ImageService, and the root filesystems it makes. */
export interface ImageService {
  /** `reason` of a failure: see `ImageError`. Pulls of one reference at the same time share the work. */
  pullImage(reference: string, options: { auths: RegistryAuth[]; signal?: AbortSignal }): Promise<Image>;
  imageStatus(reference: string): Promise<Image | undefined>;
  listImages(): Promise<Image[]>;
  removeImage(reference: string): Promise<void>;
  /** A writable root filesystem of its own for one container; repeating it returns the same one. */
  prepareRootfs(imageId: string, containerId: string): Promise<string>;
  removeRootfs(containerId: string): Promise<void>;
}

/** CNI's verbs. Addresses given out survive a restart of the process. */
export interface PodNetwork {
  /** Makes the sandbox's network namespace and gives it an address; repeating it returns the same. */
  add(sandbox: {
    id: string;
    hostPorts: { containerPort: number; hostPort: number; hostIP: string; protocol: 'TCP' | 'UDP' | 'SCTP' }[];
  }): Promise<PodAddresses>;
  /** Gives the address back and removes the namespace; repeating it succeeds. */
  del(sandboxId: string): Promise<void>;
  /** What `add` returned, for a sandbox that is still there. */
  check(sandboxId: string): Promise<PodAddresses | undefined>;
}

export interface PodAddresses {
  ips: string[];
  /** Path of the network namespace; absent where pods share the host's (no privileges). */
  netns?: string;
}

export class ImageError extends Error {
  readonly reason:
    | 'ErrImagePull'
    | 'InvalidImageName'
    | 'ErrImageNeverPull'
    | 'RegistryUnavailable'
    | 'SignatureValidationFailed';
  constructor(reason: ImageError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ImageError';
    this.reason = reason;
  }
}
