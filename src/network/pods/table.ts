/**
 * The bridge network's own nftables table: host ports, the way out, and the fences around the pod and service ranges.
 * Services have a table of their own. Pure.
 */
import { formatCidr } from '../ipv4.ts';
import { gatewayOf, type Layout } from './commands.ts';
import type { HostPort } from './podnetwork.ts';

export interface TableOptions extends Layout {
  /** Addresses and ranges of this node on which host ports without a hostIP answer. */
  publishOn: string[];
  /** Whether pods may leave the cluster, behind the node's address. */
  masquerade: boolean;
  /** Interfaces whose forwarding we switched on; they route for pods only. */
  uplinks: string[];
}

export const podTable = 'glasshouse-pods';

const chain = (name: string, hook: string, rules: string[]): string =>
  `chain ${name} {\n${hook}\n${rules.filter((rule) => rule !== '').join('\n')}\n}`;

/** One transaction that replaces the table. Host ports are added with `hostPortLines`. */
export function tableText(options: TableOptions): string {
  const { bridge, uplinks } = options;
  const pods = formatCidr(options.podCIDR);
  const ranges = `{ ${[...new Set([formatCidr(options.clusterCIDR), formatCidr(options.serviceCIDR)])].join(', ')} }`;
  const inside = `{ "${bridge}", "lo" }`;
  const chains = [
    chain('host-ports', '', [
      'dnat ip addr . port to ip daddr . meta l4proto . th dport map @host-ports-on',
      'ip daddr @publish dnat ip addr . port to meta l4proto . th dport map @host-ports',
    ]),
    chain('nat-prerouting', 'type nat hook prerouting priority -105; policy accept;', [
      'fib daddr type local jump host-ports',
    ]),
    chain('nat-output', 'type nat hook output priority -105; policy accept;', ['fib daddr type local jump host-ports']),
    chain('nat-postrouting', 'type nat hook postrouting priority 100; policy accept;', [
      `oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade fully-random`,
      'ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random',
      options.masquerade ? `ip saddr ${pods} ip daddr != ${ranges} oifname != ${inside} masquerade fully-random` : '',
    ]),
    // route_localnet is on for the bridge: without this a pod could speak to what listens on the host's loopback only.
    chain('guard-prerouting', 'type filter hook prerouting priority -300; policy accept;', [
      `iifname "${bridge}" ip daddr 127.0.0.0/8 drop`,
      `iifname "${bridge}" ip saddr != { ${pods}, 0.0.0.0 } drop`,
      `iifname != ${inside} ip daddr ${pods} drop`,
    ]),
    chain('guard-forward', 'type filter hook forward priority -10; policy accept;', [
      options.masquerade
        ? ''
        : `iifname "${bridge}" oifname != "${bridge}" ct direction original reject with icmp type net-unreachable`,
      `oifname "${bridge}" iifname != "${bridge}" ct state new ct status & dnat == 0 drop`,
      ...uplinks.map((uplink) => `iifname "${uplink}" oifname != "${bridge}" drop`),
    ]),
    // A redirect would send a pod straight to its neighbour, past where Services apply.
    chain('guard-output', 'type filter hook output priority -10; policy accept;', [
      `oifname "${bridge}" icmp type redirect drop`,
    ]),
    // The routes say so already; this holds even when somebody's policy routing passes them by.
    chain('guard-postrouting', 'type filter hook postrouting priority 300; policy accept;', [
      `oifname != ${inside} ip daddr ${ranges} drop`,
      `oifname != ${inside} ip saddr ${pods} ip saddr != ${gatewayOf(options)} drop`,
    ]),
  ];
  return [
    ...removalLines(),
    `table inet ${podTable} {`,
    'map host-ports { type inet_proto . inet_service : ipv4_addr . inet_service; }',
    'map host-ports-on { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }',
    'set hairpin { type ipv4_addr . ipv4_addr; }',
    `set publish { type ipv4_addr; flags interval; auto-merge; elements = { ${options.publishOn.join(', ')} }; }`,
    ...chains,
    '}',
    '',
  ].join('\n');
}

/** Adding first makes deleting succeed when it was not there. */
export function removalLines(): string[] {
  return [`add table inet ${podTable}`, `delete table inet ${podTable}`];
}

export function hostPortLines(verb: 'add' | 'delete', address: string, hostPorts: readonly HostPort[]): string[] {
  if (hostPorts.length === 0) return [];
  const ports = hostPorts.map((port) => {
    const everywhere = port.hostIP === '' || port.hostIP === '0.0.0.0';
    const key = `${everywhere ? '' : `${port.hostIP} . `}${port.protocol.toLowerCase()} . ${port.hostPort}`;
    const value = verb === 'add' ? ` : ${address} . ${port.containerPort}` : '';
    return `${verb} element inet ${podTable} host-ports${everywhere ? '' : '-on'} { ${key}${value} }`;
  });
  return [...ports, `${verb} element inet ${podTable} hairpin { ${address} . ${address} }`];
}
