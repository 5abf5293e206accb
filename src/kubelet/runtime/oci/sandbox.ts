/** What a pod's containers share: network, IPC and UTS namespaces, hosts and resolver files, /dev/shm, a parent cgroup. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { mustRun, runCommand } from '../command.ts';
import { podFileMounts, writePodFiles } from '../podfiles.ts';
import { quote } from '../quote.ts';
import type { SandboxRecord } from '../records.ts';
import type { Mount, SandboxConfig } from '../runtime.ts';

const timeout = 10_000;
const sharedMemory = 64 << 20;

const names = { ipc: 'ipc', uts: 'uts', shm: 'shm' };

/** Fills the sandbox's directory. Beginning again after a crash is safe. */
export async function makeSandbox(
  directory: string,
  config: SandboxConfig,
  record: SandboxRecord,
  clock: Clock,
): Promise<void> {
  await mkdir(join(directory, names.shm), { recursive: true, mode: 0o755 });
  await writePodFiles(directory, config, record.ips);
  await unmountSandbox(directory, clock);
  await mustRun(['sh', '-c', setUp(directory, config, record.netns)], { clock, timeout });
}

/** One shell does it all: each process more is a millisecond more. */
function setUp(directory: string, config: SandboxConfig, netns: string | undefined): string {
  const path = (name: string) => quote(join(directory, name));
  const lines = ['set -e'];
  const share: string[] = [];
  if (!config.hostIPC) {
    lines.push(`mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=${sharedMemory} shm ${path(names.shm)}`);
    lines.push(`: >${path(names.ipc)}`);
    share.push(`--ipc=${path(names.ipc)}`);
  }
  if (!config.hostNetwork) {
    lines.push(`: >${path(names.uts)}`);
    share.push(`--uts=${path(names.uts)}`);
  }
  const inside = [
    'set -e',
    ...(config.hostNetwork ? [] : [`echo ${quote(config.hostname)} >/proc/sys/kernel/hostname`]),
    ...Object.entries(config.sysctls).map(([name, value]) => `echo ${quote(value)} >${quote(sysctlPath(name))}`),
  ].join('\n');
  const enter = netns === undefined ? '' : `nsenter --net=${quote(netns)} `;
  if (share.length > 0 || Object.keys(config.sysctls).length > 0)
    lines.push(`${enter}${share.length > 0 ? `unshare ${share.join(' ')} ` : ''}sh -c ${quote(inside)}`);
  return lines.join('\n');
}

/** `net.ipv4.ip_forward` or `net/ipv4/ip_forward`, and never out of /proc/sys. */
function sysctlPath(name: string): string {
  if (!/^[a-z0-9_/.-]+$/i.test(name) || name.includes('..')) throw new Error(`sysctl "${name}" is not a valid name`);
  return `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`;
}

export async function unmountSandbox(directory: string, clock: Clock): Promise<void> {
  const mounted = await readFile('/proc/self/mountinfo', 'utf8');
  const paths = [names.shm, names.ipc, names.uts].map((name) => join(directory, name));
  const found = paths.filter((path) => mounted.includes(` ${path} `));
  if (found.length > 0) await runCommand(['umount', '-l', ...found], { clock, timeout });
}

/** The namespaces of a container, as the OCI specification lists them. */
export function namespacesOf(directory: string, record: SandboxRecord): { type: string; path?: string }[] {
  const { config, netns, holderPid } = record;
  return [
    { type: 'mount' },
    { type: 'cgroup' },
    ...(config.hostPID ? [] : [{ type: 'pid', ...(holderPid && { path: `/proc/${holderPid}/ns/pid` }) }]),
    ...(config.hostNetwork ? [] : [{ type: 'network', ...(netns && { path: netns }) }]),
    ...(config.hostIPC ? [] : [{ type: 'ipc', path: join(directory, names.ipc) }]),
    ...(config.hostNetwork ? [] : [{ type: 'uts', path: join(directory, names.uts) }]),
  ];
}

/** The pod's own files, as each container sees them. */
export function podMounts(directory: string, config: SandboxConfig, readOnly: boolean): Mount[] {
  return [
    ...podFileMounts(directory, readOnly),
    { hostPath: config.hostIPC ? '/dev/shm' : join(directory, names.shm), containerPath: '/dev/shm', readOnly: false },
  ];
}
