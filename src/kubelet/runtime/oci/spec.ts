/** A container as the OCI runtime specification 1.0 describes it: `config.json`. Pure; what it needs is handed in. */
import type { ResolvedUser } from '../user.ts';
import type { ContainerConfig, Mount, Resources, SandboxConfig } from '../runtime.ts';

export interface SpecInput {
  sandbox: SandboxConfig;
  container: ContainerConfig;
  rootfs: string;
  user: ResolvedUser;
  /** As `CAP_…`. */
  capabilities: string[];
  seccomp: unknown;
  cgroupsPath: string;
  resources: Resources;
  /** Whether the kernel accounts for swap: then there is none beyond the memory limit. */
  limitSwap: boolean;
  /** The lowest score this process may give; a wish below it is raised. */
  minimumOomScoreAdj: number;
  maximumOpenFiles: number;
  namespaces: { type: string; path?: string }[];
  /** The pod's own files and shared memory, beneath the container's mounts. */
  podMounts: Mount[];
  /** Only with `privileged`. */
  devices: Device[];
  workingDir: string;
  env: string[];
}

export interface Device {
  path: string;
  type: 'c' | 'b';
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]; // prettier-ignore
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function ociSpec(input: SpecInput): Record<string, unknown> {
  const { container, sandbox } = input;
  const { security } = container;
  const privileged = security.privileged ?? false;
  const unmasked = privileged || security.procMount === 'Unmasked';
  return {
    ociVersion: '1.0.2',
    process: processOf(input),
    root: { path: input.rootfs, readonly: security.readOnlyRootFilesystem ?? false },
    ...(!sandbox.hostNetwork && { hostname: sandbox.hostname }),
    mounts: mountsOf(input),
    annotations: container.annotations,
    linux: {
      namespaces: input.namespaces,
      cgroupsPath: input.cgroupsPath,
      resources: resourcesOf(input.resources, privileged, input.limitSwap),
      ...(privileged && { devices: input.devices }),
      ...(input.seccomp !== undefined && { seccomp: input.seccomp }),
      rootfsPropagation: rootPropagation(container.mounts),
      maskedPaths: unmasked ? [] : maskedPaths,
      readonlyPaths: unmasked ? [] : readonlyPaths,
    },
  };
}

function processOf(input: SpecInput): Record<string, unknown> {
  const { container, user, capabilities } = input;
  return {
    terminal: container.tty,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: 0o022 },
    args: container.command,
    env: input.env,
    cwd: input.workingDir,
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      inheritable: [],
      ambient: [],
    },
    noNewPrivileges: container.security.allowPrivilegeEscalation === false,
    oomScoreAdj: Math.max(input.resources.oomScoreAdj ?? 0, input.minimumOomScoreAdj),
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: input.maximumOpenFiles, hard: input.maximumOpenFiles }],
  };
}

/** A bind mount of one directory onto another with all below it. */
function bind({ hostPath, containerPath, readOnly, noExec, propagation = 'None' }: Mount): Record<string, unknown> {
  const how = { None: 'rprivate', HostToContainer: 'rslave', Bidirectional: 'rshared' }[propagation];
  return {
    destination: containerPath,
    type: 'bind',
    source: hostPath,
    options: ['rbind', how, readOnly ? 'ro' : 'rw', ...(noExec ? ['noexec'] : [])],
  };
}

function mount(destination: string, type: string, source: string, ...options: string[]) {
  return { destination, type, source, options };
}

function mountsOf(input: SpecInput): Record<string, unknown>[] {
  const { sandbox, container } = input;
  const privileged = container.security.privileged ?? false;
  const rw = privileged ? 'rw' : 'ro';
  const own = new Set(container.mounts.map(({ containerPath }) => containerPath.replace(/\/+$/, '')));
  const system = [
    mount('/proc', 'proc', 'proc', 'nosuid', 'noexec', 'nodev'),
    mount('/dev', 'tmpfs', 'tmpfs', 'nosuid', 'strictatime', 'mode=755', 'size=65536k'),
    mount('/dev/pts', 'devpts', 'devpts', 'nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'),
    mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid', 'noexec', 'nodev'),
    sandbox.hostNetwork
      ? mount('/sys', 'bind', '/sys', 'rbind', 'rprivate', 'nosuid', 'noexec', 'nodev', rw)
      : mount('/sys', 'sysfs', 'sysfs', 'nosuid', 'noexec', 'nodev', rw),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', 'nosuid', 'noexec', 'nodev', 'relatime', rw),
  ].filter(({ destination }) => !own.has(destination) && !(sandbox.hostNetwork && destination === '/sys/fs/cgroup'));
  const pod = input.podMounts.filter(({ containerPath }) => !own.has(containerPath));
  return [...system, ...pod.map(bind), ...parentsFirst(container.mounts).map(bind)];
}

function depth(mount: Mount): number {
  return mount.containerPath.split('/').filter((part) => part !== '').length;
}

/** `/a/b` after `/a`, whatever the order they were asked in: else the outer mount would hide the inner one. */
function parentsFirst(mounts: Mount[]): Mount[] {
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

function rootPropagation(mounts: Mount[]): string | undefined {
  if (mounts.some(({ propagation }) => propagation === 'Bidirectional')) return 'rshared';
  return mounts.some(({ propagation }) => propagation === 'HostToContainer') ? 'rslave' : undefined;
}

export function resourcesOf(resources: Resources, privileged: boolean, limitSwap: boolean): Record<string, unknown> {
  const { cpuShares, cpuQuota, cpuPeriod, memoryLimit, pidsLimit } = resources;
  return {
    devices: privileged ? [{ allow: true, access: 'rwm' }] : deviceRules,
    cpu: {
      ...(cpuShares && { shares: cpuShares }),
      ...(cpuQuota && { quota: cpuQuota, period: cpuPeriod ?? 100_000 }),
    },
    ...(memoryLimit && { memory: { limit: memoryLimit, ...(limitSwap && { swap: memoryLimit }) } }),
    ...(pidsLimit && { pids: { limit: pidsLimit } }),
  };
}

/** Making any device node is harmless while opening is limited to these: null, zero, full, tty, (u)random, terminals. */
const deviceRules = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 2],
  ].map(([major, minor]) => ({
    allow: true,
    type: 'c',
    major,
    minor,
    access: 'rwm',
  })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
]; // prettier-ignore
