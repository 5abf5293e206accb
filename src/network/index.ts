/**
 * The node's network: addresses for pods, the data plane that makes Services answer, and the cluster's DNS. It reads
 * Services and EndpointSlices from any Kubernetes API and changes only its own node. Two ways: `kernel` (root; namespaces, a
 * bridge, nftables) and `userspace` (no privileges; loopback addresses and sockets of this process).
 *
 * It promises that no packet for the pod and service ranges leaves by another interface of the machine, that nothing answers
 * beyond loopback and the pods unless `publishOn` says so, and that `teardown` removes what it made and nothing else. It leaves
 * to others who gives Services their addresses (the apiserver), who writes slices (a controller), and who calls `podNetwork` (the
 * node agent).
 */
export { type NetworkOptions, type Network, startNetwork } from './start.ts';
export { bridgePodNetwork, type BridgeOptions } from './pods/bridge.ts';
export { loopbackPodNetwork, type LoopbackOptions } from './pods/loopback.ts';
export type { HostPort, OwnedPodNetwork, PodAddresses, PodNetwork } from './pods/podnetwork.ts';
export { removeServices } from './services/kernel.ts';
export { resolvConfFor, resolvConfText, type ResolvSource } from './resolvconf.ts';
export { parseResolvConf, type ResolvConf } from './dns/upstreams.ts';
export { type Run, run as runProgram } from './run.ts';
