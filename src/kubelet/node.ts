/** The Node object: registered, kept up to date, and its Lease renewed. */
import { cpus, release, totalmem } from 'node:os';
import type { AnyObject } from '../machinery/index.ts';
import { cloneJson, equalJson, formatMicroTime, formatTime, isStatusError } from '../machinery/index.ts';
import { type Machine, readMachine } from './machine.ts';
import { type Node, leases, nodes } from './kinds.ts';
import type { Context } from './options.ts';
import { quantityValue } from './resources.ts';

/** Milliseconds: what changes is told at this interval, what stays the same at the longer one. */
const updateInterval = 10_000;
const reportInterval = 300_000;
/** Seconds without renewal after which others take the node for lost. */
const leaseDuration = 40;

export interface NodeReporter {
  /** Labels as the API has them. */
  labels(): Record<string, string>;
  allocatable(): Record<string, string>;
  /** Tells the status now, if it changed. */
  update(): Promise<void>;
  stop(): void;
}

export function machineCapacity(
  given: Record<string, string> | undefined,
  maxPods: number,
  disk: number | undefined,
): Record<string, string> {
  return {
    cpu: String(cpus().length || 1),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    ...(disk !== undefined && { 'ephemeral-storage': `${Math.floor(disk / 1024)}Ki` }),
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: String(maxPods),
    ...given,
  };
}

export function allocatableOf(
  capacity: Record<string, string>,
  reserved: Record<string, string> = {},
): Record<string, string> {
  const left = { ...capacity };
  for (const name in reserved) {
    const rest = Math.max(0, quantityValue(capacity[name]) - quantityValue(reserved[name]));
    left[name] = name === 'cpu' ? `${Math.floor(rest * 1000)}m` : String(Math.floor(rest));
  }
  return left;
}

const architectures: Record<string, string> = { x64: 'amd64', ia32: '386' };

export async function startNode(context: Context, port: number): Promise<NodeReporter> {
  const { client, clock, log, nodeName } = context;
  const allocatable = allocatableOf(context.capacity, context.reserved);
  let labels: Record<string, string> = {};
  let reportedAt = 0;
  let stopped = false;
  let lease: AnyObject | undefined;

  const update = async () => {
    const node = await ensureNode(context, await nodeStatus(context, port, allocatable));
    labels = node.metadata.labels ?? {};
    const status = await nodeStatus(context, port, allocatable, node.status);
    const changed = !equalJson(withoutHeartbeats(status), withoutHeartbeats(pick(node.status, status)));
    if (!changed && clock.now() - reportedAt < reportInterval) return;
    await client.patch(
      nodes,
      { name: nodeName },
      { type: 'strategic', body: { status } },
      { subresource: 'status', fieldManager: 'kubelet' },
    );
    reportedAt = clock.now();
  };
  const renew = async () => {
    lease = await renewLease(context, lease);
  };
  const tolerant = (what: string, call: () => Promise<void>) => async () => {
    if (stopped) return;
    await call().catch((error) => log.warn({ node: nodeName, error: String(error) }, `cannot ${what}; trying again`));
  };
  await update();
  await tolerant('renew the lease', renew)();
  const timers = [
    clock.every(updateInterval, () => void tolerant('update the node', update)()),
    clock.every(context.leaseInterval ?? 10_000, () => void tolerant('renew the lease', renew)()),
  ];
  return {
    labels: () => labels,
    allocatable: () => allocatable,
    update,
    stop() {
      stopped = true;
      for (const timer of timers) timer.cancel();
    },
  };
}

function standardLabels(context: Context): Record<string, string> {
  const arch = architectures[process.arch] ?? process.arch;
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  return {
    'beta.kubernetes.io/arch': arch,
    'beta.kubernetes.io/os': os,
    'kubernetes.io/arch': arch,
    'kubernetes.io/os': os,
    'kubernetes.io/hostname': context.nodeName,
    ...context.labels,
  };
}

/** The Node, made when it is missing, with the labels that this agent answers for. */
async function ensureNode(context: Context, status: Node['status']): Promise<Node> {
  const { client, nodeName } = context;
  const labels = standardLabels(context);
  try {
    const node = await client.get(nodes, { name: nodeName });
    const missing = Object.entries(labels).filter(([name, value]) => node.metadata.labels?.[name] !== value);
    if (missing.length === 0) return node;
    return await client.patch(
      nodes,
      { name: nodeName },
      { type: 'merge', body: { metadata: { labels: Object.fromEntries(missing) } } },
    );
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
  }
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName,
      labels,
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {
      ...(context.podCIDR && { podCIDR: context.podCIDR, podCIDRs: [context.podCIDR] }),
      ...(context.taints && { taints: context.taints }),
    } as Node['spec'],
    status,
  };
  return client.create(nodes, node).catch((error) => {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
    return client.get(nodes, { name: nodeName });
  });
}

async function nodeStatus(
  context: Context,
  port: number,
  allocatable: Record<string, string>,
  before?: Node['status'],
): Promise<NonNullable<Node['status']>> {
  const runtime = await context.runtime.version().then(
    (version) => ({ version, error: '' }),
    (error: Error) => ({ version: 'unknown', error: error.message }),
  );
  const images = await context.images.listImages().catch(() => []);
  return {
    capacity: context.capacity,
    allocatable,
    conditions: conditions(context, runtime.error, before?.conditions ?? []),
    addresses: context.addresses,
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    nodeInfo: nodeInfo(context, runtime.version, await readMachine()),
    images: images
      .toSorted((a, b) => b.size - a.size)
      .slice(0, 50)
      .map(({ repoDigests, repoTags, size }) => ({
        names: [...repoDigests, ...repoTags].slice(0, 5),
        sizeBytes: size,
      })),
    runtimeHandlers: ['', ...context.runtime.handlers].map((name) => ({
      name,
      features: { recursiveReadOnlyMounts: false, userNamespaces: false },
    })),
  };
}

type Condition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

function conditions(context: Context, failure: string, before: Condition[]): Condition[] {
  const now = formatTime(context.clock.now());
  const told: [string, string, string, string][] = [
    ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    failure === ''
      ? ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status']
      : ['Ready', 'False', 'KubeletNotReady', `container runtime is down: ${failure}`],
  ];
  return told.map(([type, status, reason, message]) => {
    const old = before.find((condition) => condition.type === type);
    const lastTransitionTime = old?.status === status && old.lastTransitionTime ? old.lastTransitionTime : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  });
}

function nodeInfo(context: Context, runtimeVersion: string, machine: Machine) {
  const [name = context.runtime.name, version = runtimeVersion] = runtimeVersion.split(/\s+/);
  return {
    ...machine,
    architecture: architectures[process.arch] ?? process.arch,
    containerRuntimeVersion: `${name}://${version}`,
    kernelVersion: release(),
    kubeProxyVersion: '',
    kubeletVersion: context.version,
    operatingSystem: process.platform === 'win32' ? 'windows' : process.platform,
  };
}

function pick(status: Node['status'], like: object): object {
  return Object.fromEntries(
    Object.keys(like).map((name) => [name, (status as Record<string, unknown> | undefined)?.[name]]),
  );
}

function withoutHeartbeats(status: object): unknown {
  const copy = cloneJson(status) as { conditions?: Partial<Condition>[] };
  // Others add conditions of their own (the network, problem detectors): they do not count as a change of ours.
  copy.conditions = copy.conditions?.filter(({ type = '' }) => type === 'Ready' || type.endsWith('Pressure'));
  for (const condition of copy.conditions ?? []) delete condition.lastHeartbeatTime;
  return copy;
}

async function renewLease(context: Context, held: AnyObject | undefined): Promise<AnyObject> {
  const { client, clock, nodeName } = context;
  const ref = { name: nodeName, namespace: 'kube-node-lease' };
  const spec = {
    holderIdentity: nodeName,
    leaseDurationSeconds: leaseDuration,
    renewTime: formatMicroTime(clock.now()),
  };
  if (held) {
    try {
      return await client.update<any>(leases, { ...held, spec: { ...held.spec, ...spec } });
    } catch (error) {
      if (!isStatusError(error, 'Conflict', 'NotFound')) throw error;
    }
  }
  try {
    const found: AnyObject = await client.get<any>(leases, ref);
    return await client.update<any>(leases, { ...found, spec: { ...found.spec, ...spec } });
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
  }
  const node = await client.get(nodes, { name: nodeName });
  return client.create<any>(leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...ref, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid }] },
    spec,
  });
}
