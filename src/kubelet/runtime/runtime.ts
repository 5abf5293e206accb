/**
 * The seam under the kubelet: what runs containers. Verbs and shapes follow the CRI (k8s.io/cri-api) with what a single
 * process lets us leave out. Drivers: `oci.ts` (crun, runc, any OCI runtime), `process.ts` (plain processes, no privileges), `sim.ts`
 * (no processes at all). `runtime.suite.ts` holds every driver to this contract.
 *
 * A driver keeps what it must know on disk under its own directory, so that after a crash of the kubelet `list…` and
 * `…Status` tell the truth about containers that went on running, and about those that ended meanwhile. Every verb may be
 * repeated: stopping what has stopped and removing what is gone succeed.
 */
import type { Duplex, Readable, Writable } from 'node:stream';

export interface SandboxConfig {
  /** Unique per pod and attempt: the driver derives its id from these. */
  metadata: { namespace: string; name: string; uid: string; attempt: number };
  hostname: string;
  /** Its name in the cluster's DNS, where it has one: the pod knows itself by it, too. */
  fqdn?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Becomes the containers' `/etc/resolv.conf`; absent: the host's. */
  dns?: { servers: string[]; searches: string[]; options: string[] };
  /** Lines of the pod's `/etc/hosts` beyond the usual ones (host aliases). */
  hosts?: { ip: string; hostnames: string[] }[];
  hostNetwork: boolean;
  hostPID: boolean;
  hostIPC: boolean;
  shareProcessNamespace: boolean;
  sysctls: Record<string, string>;
  hostPorts: { containerPort: number; hostPort: number; hostIP: string; protocol: 'TCP' | 'UDP' | 'SCTP' }[];
  /** RuntimeClass handler; '' is the driver's default. Rejects with `RuntimeError` when there is no such handler. */
  runtimeHandler: string;
  /** Limits of the pod as a whole: the parent of its containers' cgroups. */
  resources?: Resources;
  qosClass: 'Guaranteed' | 'Burstable' | 'BestEffort';
}

export interface Resources {
  /** Relative weight, 2 … 262144. */
  cpuShares?: number;
  /** Microseconds of CPU per `cpuPeriod` microseconds. */
  cpuQuota?: number;
  cpuPeriod?: number;
  /** Bytes. */
  memoryLimit?: number;
  /** Processes and threads, together. */
  pidsLimit?: number;
  oomScoreAdj?: number;
}

export interface Mount {
  hostPath: string;
  containerPath: string;
  readOnly: boolean;
  noExec?: boolean;
  propagation?: 'None' | 'HostToContainer' | 'Bidirectional';
}

export interface SecurityConfig {
  /** Numeric, or a name of the image's `/etc/passwd`; absent: the image's user. */
  runAsUser?: number;
  runAsUserName?: string;
  runAsGroup?: number;
  supplementalGroups?: number[];
  privileged?: boolean;
  readOnlyRootFilesystem?: boolean;
  /** `no_new_privs` is set unless this is true. */
  allowPrivilegeEscalation?: boolean;
  capabilities?: { add: string[]; drop: string[] };
  seccomp?: { type: 'RuntimeDefault' | 'Unconfined' | 'Localhost'; localhostProfile?: string };
  procMount?: 'Default' | 'Unmasked';
}

export interface ContainerConfig {
  metadata: { name: string; attempt: number };
  /** As `ImageService.status` names it. */
  image: string;
  /** Entry point and arguments after merging the pod's with the image's; never empty. */
  command: string[];
  workingDir: string;
  env: { name: string; value: string }[];
  mounts: Mount[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Where output goes, in the CRI log format (`<RFC 3339 nano> stdout F <line>`); readers use `logs.ts`. */
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  security: SecurityConfig;
  resources: Resources;
  /** Such as `SIGTERM`; the image's own when it names one. */
  stopSignal: string;
}

export interface SandboxStatus {
  id: string;
  config: SandboxConfig;
  state: 'Ready' | 'NotReady';
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Absent with `hostNetwork`. The first is the primary one. */
  ips: string[];
}

export interface ContainerStatus {
  id: string;
  sandboxId: string;
  metadata: { name: string; attempt: number };
  labels: Record<string, string>;
  annotations: Record<string, string>;
  image: string;
  imageId: string;
  state: 'Created' | 'Running' | 'Exited' | 'Unknown';
  /** Milliseconds since the epoch; 0 while it has not happened. */
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  /** `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerCannotRun`. */
  reason: string;
  message: string;
  logPath: string;
  pid: number | undefined;
}

export interface ContainerStats {
  /** Core-nanoseconds since the container started. */
  cpuNanoseconds: number;
  memoryBytes: number;
  /** Without the page cache that can be reclaimed. */
  workingSetBytes: number;
  pids: number;
}

export interface Streams {
  stdin?: Readable;
  stdout?: Writable;
  /** Not used with a terminal: it has one output. */
  stderr?: Writable;
  /** Sizes of the terminal, as they change. */
  resize?: AsyncIterable<{ width: number; height: number }>;
}

export interface ContainerEvent {
  sandboxId: string;
  containerId: string;
  type: 'started' | 'exited' | 'removed';
}

export interface Runtime {
  readonly name: 'oci' | 'process' | 'sim';
  /** The RuntimeClass handlers it knows besides ''. */
  readonly handlers: readonly string[];
  /** What `glass up` and the node's status print: `crun 1.8.1`. */
  version(): Promise<string>;
  /** Finds again what was left running. Called once, before all else. */
  start(): Promise<void>;

  runPodSandbox(config: SandboxConfig): Promise<SandboxStatus>;
  /** Ends its containers at once (callers stop them gracefully first) and gives the address back. */
  stopPodSandbox(sandboxId: string): Promise<void>;
  removePodSandbox(sandboxId: string): Promise<void>;
  podSandboxStatus(sandboxId: string): Promise<SandboxStatus | undefined>;
  listPodSandboxes(): Promise<SandboxStatus[]>;

  /** Returns the container's id. The image must be present. */
  createContainer(sandboxId: string, config: ContainerConfig): Promise<string>;
  /** Resolves once the program was started; rejects with `RuntimeError` when it cannot be. */
  startContainer(containerId: string): Promise<void>;
  /** Sends the stop signal, waits, then kills. Resolves once it has ended. */
  stopContainer(containerId: string, graceMilliseconds: number): Promise<void>;
  removeContainer(containerId: string): Promise<void>;
  containerStatus(containerId: string): Promise<ContainerStatus | undefined>;
  listContainers(): Promise<ContainerStatus[]>;
  updateContainerResources(containerId: string, resources: Resources): Promise<void>;
  containerStats(containerId: string): Promise<ContainerStats | undefined>;
  /** Starts a new log file at `logPath`; the caller has moved the old one away. */
  reopenContainerLog(containerId: string): Promise<void>;

  /** Runs a command beside the container's own and resolves with its exit code. Aborting the signal kills it. */
  exec(
    containerId: string,
    options: { command: string[]; tty: boolean; signal?: AbortSignal },
    streams: Streams,
  ): Promise<number>;
  /** Joins the running program's streams; resolves when it ends or the signal is aborted. */
  attach(containerId: string, options: { tty: boolean; signal?: AbortSignal }, streams: Streams): Promise<void>;
  /** A connection to a TCP port inside the sandbox, on its loopback address. */
  portForward(sandboxId: string, port: number): Promise<Duplex>;

  /** Called for every change the driver notices, also those it did not cause. Returns how to stop listening. */
  onEvent(listener: (event: ContainerEvent) => void): () => void;
  /** Lets go: containers go on running. */
  close(): Promise<void>;
}

/** What a driver tells of a failure; `reason` becomes the container's waiting reason. */
export class RuntimeError extends Error {
  readonly reason:
    | 'CreateContainerError'
    | 'RunContainerError'
    | 'CreatePodSandboxError'
    | 'ImageNotPresent'
    | 'NotFound'
    | 'NotSupported';
  constructor(reason: RuntimeError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RuntimeError';
    this.reason = reason;
  }
}
