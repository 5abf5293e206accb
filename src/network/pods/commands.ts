/** What the bridge network asks of the kernel, as lines for `ip -batch`. Pure. */
import { type Cidr, formatCidr, formatIPv4, parseIPv4 } from '../ipv4.ts';

export interface Layout {
  bridge: string;
  /** Of this node; its first address is the bridge's. */
  podCIDR: Cidr;
  /** Of all nodes. */
  clusterCIDR: Cidr;
  serviceCIDR: Cidr;
  /** Bytes. */
  mtu: number;
  /** Written on the bridge: whose it is. */
  owner: string;
}

/** Lower than any route that somebody makes, above the "unreachable" of last resort. */
const lastMetric = 4278198272;

export const gatewayOf = (layout: Layout): string => formatIPv4(layout.podCIDR.base + 1);
const hex = (address: string): string => parseIPv4(address).toString(16).padStart(8, '0');
/** The same address always has the same hardware address, so no neighbour remembers a wrong one. */
const macOf = (address: string): string => `0a:58:${hex(address).replace(/..(?!$)/g, '$&:')}`;
export const hostInterfaceOf = (address: string): string => `glv${hex(address)}`;
export const netnsNameOf = (sandboxId: string): string => `glass-${sandboxId}`;

export function bridgeLines(layout: Layout, exists: boolean): string[] {
  const { bridge, podCIDR, clusterCIDR, serviceCIDR, mtu, owner } = layout;
  const gateway = gatewayOf(layout);
  return [
    ...(exists ? [] : [`link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`]),
    `link set ${bridge} alias "${owner}" addrgenmode none address ${macOf(gateway)} mtu ${mtu} up`,
    `addr replace ${gateway}/${podCIDR.bits} dev ${bridge}`,
    // Our own programs find a Service's address only if there is a route; the source makes answers come back here.
    `route replace ${formatCidr(serviceCIDR)} dev ${bridge} src ${gateway}`,
    `route replace unreachable ${formatCidr(clusterCIDR)} metric ${lastMetric}`,
    `route replace unreachable ${formatCidr(serviceCIDR)} metric ${lastMetric}`,
  ];
}

export function bridgeRemovalLines(layout: Layout): string[] {
  return [
    `link del ${layout.bridge}`,
    `route del unreachable ${formatCidr(layout.clusterCIDR)} metric ${lastMetric}`,
    `route del unreachable ${formatCidr(layout.serviceCIDR)} metric ${lastMetric}`,
  ];
}

/** `inside`: the file with `podInsideLines`. */
export function podLines(layout: Layout, sandboxId: string, address: string, inside: string): string[] {
  const netns = netnsNameOf(sandboxId);
  const host = hostInterfaceOf(address);
  return [
    `netns add ${netns}`,
    `link add ${host} mtu ${layout.mtu} type veth peer name eth0 address ${macOf(address)} mtu ${layout.mtu} netns ${netns}`,
    ...attachLines(layout, address),
    `netns exec ${netns} ip -batch "${inside}"`,
  ];
}

/**
 * Hairpin, because where the kernel filters bridged packets (`bridge-nf-call-iptables`, per machine, not ours to change)
 * it rewrites the address of a Service on the bridge itself, and a pod may be its own Service's endpoint. For the same
 * reason the ports cannot be isolated from each other.
 */
export function attachLines(layout: Layout, address: string): string[] {
  const host = hostInterfaceOf(address);
  return [
    `link set ${host} addrgenmode none master ${layout.bridge} up`,
    `link set ${host} type bridge_slave hairpin on`,
  ];
}

/** A /32 and a gateway: even a neighbour on the same bridge is reached through the host. */
export function podInsideLines(layout: Layout, address: string): string[] {
  return [
    'link set lo up',
    'link set eth0 addrgenmode none up',
    `addr add ${address}/32 dev eth0`,
    `route add default via ${gatewayOf(layout)} dev eth0 onlink`,
  ];
}

/** The link first: a namespace lives on while a process is in it. */
export function podRemovalLines(sandboxId: string, address: string): string[] {
  return [`link del ${hostInterfaceOf(address)}`, `netns del ${netnsNameOf(sandboxId)}`];
}
