/** What the node agent is given, and what its parts share. */
import type { Client, EventRecorder, Log } from '../client/index.ts';
import type { Clock, MetricSet, Random } from '../machinery/index.ts';
import type { AgentCounts } from './agentcounts.ts';
import type { Pod } from './kinds.ts';
import type { Runtime, SandboxConfig } from './runtime/runtime.ts';
import type { ImageService } from './runtime/services.ts';

/** When a container's log is moved aside, and how many of its files are kept. */
export interface LogRotation {
  /** Bytes at which a file is moved aside; 10 MiB as upstream. */
  maxSize: number;
  /** Files kept for one container, the current one included; 5 as upstream. */
  maxFiles: number;
}

export interface ServerOptions {
  /** Loopback unless asked otherwise. */
  host: string;
  /** 0: any free port. */
  port: number;
  /** PEM. */
  cert: string;
  key: string;
  /** PEM of the authority whose clients (the apiserver) may speak to this server. */
  clientCA: string;
  /** Common names of the client certificates that are let in; empty: any that the authority signed. */
  allowedClients?: string[];
}

export interface KubeletOptions {
  client: Client;
  runtime: Runtime;
  images: ImageService;
  nodeName: string;
  clock: Clock;
  random: Random;
  /** Never given a secret's value. */
  log: Log;
  /** Where pods' volumes and logs live; made when it is absent. */
  directory: string;
  /** Absent: Events are written by the client given above. */
  recorder?: Pick<EventRecorder, 'event'>;
  addresses?: { type: string; address: string }[];
  /** Such as `{ cpu: '2', memory: '4Gi', pods: '110' }`; what is absent is read from the machine. */
  capacity?: Record<string, string>;
  /** Kept back for the machine itself: taken from capacity to make allocatable. */
  reserved?: Record<string, string>;
  labels?: Record<string, string>;
  taints?: { key: string; value?: string; effect: string }[];
  maxPods?: number;
  server?: ServerOptions;
  clusterDNS?: string[];
  clusterDomain?: string;
  /** Overrides how a pod's resolver is set up (the network's own rules). */
  dnsFor?: (pod: Pod) => SandboxConfig['dns'];
  podCIDR?: string;
  /** As `kubectl version` shows it. */
  version?: string;
  logRotation?: LogRotation;
  /** Milliseconds between renewals of the lease; it lasts four times as long. */
  leaseInterval?: number;
  /** Milliseconds between full looks at the runtime, beside its events. */
  relistInterval?: number;
  /** What the agent tells of itself, at `/metrics`; absent: a set of its own. */
  metrics?: MetricSet;
}

/** Options with their defaults filled in, and what the parts of one agent share. */
export interface Context extends KubeletOptions {
  recorder: Pick<EventRecorder, 'event'>;
  addresses: { type: string; address: string }[];
  capacity: Record<string, string>;
  clusterDomain: string;
  maxPods: number;
  version: string;
  logRotation: LogRotation;
  metrics: MetricSet;
  counts: AgentCounts;
}

export function hostIPs(context: Context): string[] {
  return context.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}
