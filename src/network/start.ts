/** Puts the parts together: pods, Services and DNS, in the way that the machine allows. */
import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { type Client, Informers, type Log, quiet } from '../client/index.ts';
import type { Clock, Random } from '../machinery/index.ts';
import { startClusterDns } from './dns/start.ts';
import { parseResolvConf, type ResolvConf, upstreamsOf } from './dns/upstreams.ts';
import { formatIPv4, parseCidr } from './ipv4.ts';
import type { Pod } from './objects.ts';
import { bridgePodNetwork } from './pods/bridge.ts';
import { loopbackPodNetwork } from './pods/loopback.ts';
import type { OwnedPodNetwork, PodNetwork } from './pods/podnetwork.ts';
import { resolvConfFor } from './resolvconf.ts';
import { type Run, run as runProgram } from './run.ts';
import type { Here } from './services/endpoints.ts';
import type { DataPlane } from './services/dataplane.ts';
import { kernelServices } from './services/kernel.ts';
import { userspaceServices } from './services/userspace.ts';

export interface NetworkOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log?: Log;
  /** `kernel` needs root, `ip` and `nft`. */
  mode: 'kernel' | 'userspace';
  /** Where addresses are kept. */
  directory: string;
  /** Several where one machine carries more than one node: what is on any of them is local. */
  nodeName: Here;
  /** Defaults: 10.244.0.0/24 of 10.244.0.0/16 and 10.96.0.0/16; in userspace 127.244.0.0/16 and 127.96.0.0/16. */
  podCIDR?: string;
  clusterCIDR?: string;
  serviceCIDR?: string;
  bridge?: string;
  /** Where node ports and host ports answer besides loopback: addresses of this node; in `kernel` also ranges. */
  publishOn?: string[];
  /** `kernel`: lets pods reach the outside, behind the node's address. */
  masquerade?: boolean;
  /** cluster.local when absent. */
  clusterDomain?: string;
  /** Name servers for names outside of the cluster; the host's when absent. */
  nameservers?: string[];
  /** Shared with other parts of the process; its own when absent. */
  informers?: Informers;
  run?: Run;
}

export interface Network {
  podNetwork: PodNetwork;
  /** `port` is 53 wherever a resolv.conf can use it. */
  dnsAddress: { ip: string; port: number };
  resolvConfFor(pod: Pod): ResolvConf;
  /** Resolves once Services and names that the server knew when asked are in place. */
  ready(): Promise<void>;
  /** Prometheus text format. */
  metrics(): string;
  /** Ends following and answering; pods and, in the kernel, Services stay as they are for the next start. */
  stop(): Promise<void>;
  /** `stop`, and removes everything that was made. */
  teardown(): Promise<void>;
}

/** Rejects when the machine does not allow the mode, or a range is in use. Pods of an earlier start are left alone then. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const ranges = rangesOf(options);
  const log = options.log ?? quiet;
  const ended = new AbortController();
  const informers = options.informers ?? new Informers({ ...options, log, signal: ended.signal });
  const pods = podsOf(options, ranges, log);
  await pods.up();
  const host = await hostResolvConf();
  const dnsIP = formatIPv4(
    parseCidr(options.mode === 'kernel' ? ranges.podCIDR : ranges.serviceCIDR, 'CIDR').base +
      (options.mode === 'kernel' ? 1 : 10),
  );
  const clusterDomain = (options.clusterDomain ?? 'cluster.local').toLowerCase();
  const upstream = options.nameservers ? { ...host.conf, nameservers: options.nameservers } : host.conf;
  const dns = await startClusterDns({
    ...options,
    log,
    informers,
    domain: clusterDomain,
    ranges: [ranges.clusterCIDR, ranges.serviceCIDR],
    upstreams: upstreamsOf(upstream, [{ address: dnsIP, port: 53 }]),
    address: dnsIP,
    ports: options.mode === 'kernel' ? [53] : [53, 20_053, 0],
  });
  const plane = planeOf(options, ranges, informers, log, dnsIP);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= Promise.all([plane.stop(), dns.stop(), pods.stop()]).then(() => ended.abort());
    return stopping;
  };
  return {
    podNetwork: pods,
    dnsAddress: { ip: dnsIP, port: dns.port },
    resolvConfFor: (pod) =>
      resolvConfFor(pod, { clusterDNS: dns.port === 53 ? [dnsIP] : [], clusterDomain, host: host.forPods }),
    ready: async () => void (await Promise.all([plane.ready(), dns.ready()])),
    metrics: () => dns.metrics(),
    stop,
    async teardown() {
      await stop();
      await plane.teardown();
      await pods.down();
    },
  };
}

interface Ranges {
  podCIDR: string;
  clusterCIDR: string;
  serviceCIDR: string;
}

function rangesOf({ mode, podCIDR, clusterCIDR, serviceCIDR }: NetworkOptions): Ranges {
  const base =
    mode === 'kernel'
      ? ['10.244.0.0/24', '10.244.0.0/16', '10.96.0.0/16']
      : ['127.244.0.0/16', '127.244.0.0/16', '127.96.0.0/16'];
  return { podCIDR: podCIDR ?? base[0]!, clusterCIDR: clusterCIDR ?? base[1]!, serviceCIDR: serviceCIDR ?? base[2]! };
}

function podsOf(options: NetworkOptions, ranges: Ranges, log: Log): OwnedPodNetwork {
  const { directory, bridge, masquerade, run, mode, clock, publishOn = [] } = options;
  if (mode === 'userspace') return loopbackPodNetwork({ directory, podCIDR: ranges.podCIDR, log, clock, publishOn });
  return bridgePodNetwork({
    directory,
    ...ranges,
    bridge,
    masquerade,
    run,
    log,
    publishOn: ['127.0.0.0/8', ...publishOn],
  });
}

function planeOf(options: NetworkOptions, ranges: Ranges, informers: Informers, log: Log, dnsIP: string): DataPlane {
  const { nodeName, clock, random, mode, publishOn = [] } = options;
  if (mode === 'userspace') {
    return userspaceServices({
      informers,
      nodeName,
      clock,
      log,
      nodePortAddresses: ['127.0.0.1', ...publishOn],
      taken: [dnsIP],
    });
  }
  const run = options.run ?? runProgram;
  return kernelServices({
    informers,
    nodeName,
    clock,
    random,
    log,
    run,
    ...ranges,
    nodePortAddresses: ['127.0.0.0/8', ...publishOn],
  });
}

const read = (file: string) => readFile(file, 'utf8').then(parseResolvConf, () => undefined);
const isLoopback = (address: string) => isIPv4(address) && address.startsWith('127.');
const usable = ({ nameservers }: ResolvConf) => nameservers.some((address) => !isLoopback(address));

/** A stub resolver on the host's loopback serves us, but not a pod: those get what is behind it. */
async function hostResolvConf(): Promise<{ conf: ResolvConf; forPods: ResolvConf }> {
  const conf = (await read('/etc/resolv.conf')) ?? { nameservers: [], searches: [], options: [] };
  if (usable(conf)) return { conf, forPods: conf };
  const behind = await read('/run/systemd/resolve/resolv.conf');
  return { conf, forPods: behind !== undefined && usable(behind) ? behind : conf };
}
