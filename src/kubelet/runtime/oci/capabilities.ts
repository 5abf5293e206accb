/** Linux capabilities: what a container gets by default, and what this process can give at all (capabilities(7)). */
import { readText } from '../procfs.ts';
import type { SecurityConfig } from '../runtime.ts';

/** In the kernel's order: the position is the bit. */
const names = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
]; // prettier-ignore

const byDefault = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
]; // prettier-ignore

/** The capabilities this process may hand on, as `CAP_…`. */
export function availableCapabilities(status = readText('/proc/self/status') ?? ''): Set<string> {
  const mask = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return new Set(names.filter((_, bit) => (mask >> BigInt(bit)) & 1n).map((name) => `CAP_${name}`));
}

/** What a container is given: the default set with the pod's additions and removals, as far as this process has them. */
export function capabilitiesFor(security: SecurityConfig, available: Set<string>): string[] {
  if (security.privileged) return [...available];
  const add = (security.capabilities?.add ?? []).map(plain);
  const drop = new Set((security.capabilities?.drop ?? []).map(plain));
  const base = add.includes('ALL') ? names : drop.has('ALL') ? [] : byDefault;
  const kept = add.includes('ALL')
    ? base.filter((name) => !drop.has(name))
    : [...base.filter((name) => !drop.has(name)), ...add];
  return [...new Set(kept.map((name) => `CAP_${name}`))].filter((name) => available.has(name));
}

function plain(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith('CAP_') ? upper.slice(4) : upper;
}
