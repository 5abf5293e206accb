/** The files that all containers of a pod share: who they are, whom they know, whom they ask for names. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount, SandboxConfig } from './runtime.ts';

const names = { hosts: 'hosts', hostname: 'hostname', resolv: 'resolv.conf' };

export async function writePodFiles(directory: string, config: SandboxConfig, ips: string[]): Promise<void> {
  await writeFile(join(directory, names.hosts), await hostsFile(config, ips), { mode: 0o644 });
  await writeFile(join(directory, names.hostname), `${config.hostname}\n`, { mode: 0o644 });
  await writeFile(join(directory, names.resolv), await resolvConf(config), { mode: 0o644 });
}

export function podFileMounts(directory: string, readOnly: boolean): Mount[] {
  const mount = (name: string, containerPath: string) => ({ hostPath: join(directory, name), containerPath, readOnly });
  return [
    mount(names.hosts, '/etc/hosts'),
    mount(names.hostname, '/etc/hostname'),
    mount(names.resolv, '/etc/resolv.conf'),
  ];
}

export async function hostsFile(config: SandboxConfig, ips: string[]): Promise<string> {
  const usual = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map((ip) => `${ip}\t${ownNames(config)}`),
  ];
  const base = config.hostNetwork ? [(await readFile('/etc/hosts', 'utf8').catch(() => '')).trimEnd()] : usual;
  const aliases = (config.hosts ?? []).map(({ ip, hostnames }) => `${ip}\t${hostnames.join('\t')}`);
  const added = aliases.length > 0 ? ['', '# Entries added by HostAliases.', ...aliases] : [];
  return `${[...base, ...added].join('\n')}\n`;
}

/** The long one first: it is what the address is called. */
function ownNames({ hostname, fqdn }: SandboxConfig): string {
  return fqdn === undefined ? hostname : `${fqdn}\t${fqdn.slice(0, fqdn.indexOf('.'))}`;
}

export async function resolvConf({ dns }: SandboxConfig): Promise<string> {
  if (!dns) return readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  const lines = dns.servers.map((server) => `nameserver ${server}`);
  if (dns.searches.length > 0) lines.push(`search ${dns.searches.join(' ')}`);
  if (dns.options.length > 0) lines.push(`options ${dns.options.join(' ')}`);
  return `${lines.join('\n')}\n`;
}
