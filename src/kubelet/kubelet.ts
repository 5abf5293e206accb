/** The agent of one node: follows the pods bound to it, and gives each a worker. */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { eventRecorder } from '../client/index.ts';
import { type AnyObject, MetricSet } from '../machinery/index.ts';
import { AgentCounts } from './agentcounts.ts';
import { Backoff } from './backoff.ts';
import { countedRuntime } from './countedruntime.ts';
import { type Pod, pods, services } from './kinds.ts';
import { label } from './labels.ts';
import { diskBytes } from './machine.ts';
import { ImageCollector } from './imagegc.ts';
import { removeOrphanFolders } from './orphans.ts';
import { rotateLogs } from './logrotation.ts';
import { type NodeReporter, allocatableOf, machineCapacity, startNode } from './node.ts';
import type { Context, KubeletOptions } from './options.ts';
import { PodWorker } from './podworker.ts';
import { reflect } from './reflector.ts';
import { memoryBytes } from './resources.ts';
import { startServer } from './server.ts';
import { Sources } from './sources.ts';
import { Tokens } from './tokens.ts';
import { type PodTruth, listTruth, nothing } from './truth.ts';
import { prepareSecretDirectory } from './volumes/index.ts';
import type { Shared } from './work.ts';

export interface Kubelet {
  /** Where its server listens; 0 without one. */
  readonly port: number;
  readonly nodeName: string;
  /** Lets go of the node: its containers go on running. */
  stop(): Promise<void>;
}

/** Milliseconds between looks at the logs' sizes. */
const rotationInterval = 10_000;
/** Milliseconds between looks at how full the disk is. */
const collectionInterval = 300_000;

async function contextFrom(options: KubeletOptions): Promise<Context> {
  const maxPods = options.maxPods ?? 110;
  const metrics = options.metrics ?? new MetricSet();
  return {
    ...options,
    metrics,
    counts: new AgentCounts(metrics, options.clock),
    runtime: countedRuntime(options.runtime, metrics, options.clock),
    maxPods,
    recorder: options.recorder ?? eventRecorder({ ...options, component: 'kubelet', host: options.nodeName }),
    addresses: options.addresses ?? [
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: options.nodeName || hostname() },
    ],
    capacity: machineCapacity(options.capacity, maxPods, (await diskBytes(options.directory))?.total),
    clusterDomain: options.clusterDomain ?? 'cluster.local',
    version: options.version ?? 'v1.36.0',
    logRotation: options.logRotation ?? { maxSize: 10 * 1024 * 1024, maxFiles: 5 },
  };
}

/** Resolves once the Node is registered and what ran before was found again. `runtime.start()` has been called. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  await mkdir(`${options.directory}/pods`, { recursive: true, mode: 0o755 });
  const context = await contextFrom(options);
  const { clock, log, nodeName, runtime } = context;
  await prepareSecretDirectory(context.directory);
  const workers = new Map<string, PodWorker>();
  const found = await listTruth(runtime);
  const allServices = reflect(context, services);
  const sources = new Sources(context);
  const late: { node?: NodeReporter } = {};

  const shared: Shared = {
    context,
    sources,
    tokens: new Tokens(context.client, clock),
    pullBackoff: new Backoff(clock),
    memory: memoryBytes(context.capacity),
    allocatable: () => late.node?.allocatable() ?? allocatableOf(context.capacity, context.reserved),
    services: async () => {
      await allServices.synced;
      return allServices.values();
    },
    otherPods: (uid) =>
      [...workers.values()].filter((worker) => worker.uid !== uid && worker.active).map((worker) => worker.pod),
    nodeLabels: () => late.node?.labels() ?? {},
  };
  sources.onChange = (uid) => {
    const worker = workers.get(uid);
    if (!worker) return;
    worker.volumesStale = true;
    worker.wake();
  };

  const begin = (pod: Pod, truth: PodTruth): PodWorker => {
    const uid = pod.metadata.uid ?? '';
    const worker = new PodWorker(shared, pod, truth, () => workers.delete(uid));
    workers.set(uid, worker);
    return worker;
  };
  const onChange = (pod: Pod | undefined, old: Pod | undefined) => {
    // The name was taken again while we were not looking: the old pod is gone all the same.
    if (old && old.metadata.uid !== pod?.metadata.uid) workers.get(old.metadata.uid ?? '')?.removed(old);
    if (!pod) return;
    const uid = pod.metadata.uid ?? '';
    const worker = workers.get(uid) ?? begin(pod, found.get(uid) ?? nothing);
    found.delete(uid);
    worker.update(pod);
  };

  context.counts.tellOf(nodeName, () => workers.values());
  const server =
    context.server &&
    (await startServer(context, context.server, {
      find: (key) => lookup(workers, key),
      all: () => [...workers.values()],
    }));
  late.node = await startNode(context, server?.port ?? 0);
  const bound = reflect(context, pods, { fieldSelector: `spec.nodeName=${nodeName}` }, onChange);
  const unlisten = runtime.onEvent(({ sandboxId, containerId }) => void noticed(workers, sandboxId, containerId));
  await bound.synced;
  for (const [uid, truth] of found) if (!workers.has(uid)) begin(orphanOf(uid, truth), truth).removed();
  found.clear();
  await removeOrphanFolders(context, new Set(workers.keys()));

  const relist = clock.every(options.relistInterval ?? 30_000, () => void relistAll(runtime, workers, log));
  const collector = new ImageCollector(context);
  const collection = clock.every(collectionInterval, () => {
    const containers = [...workers.values()].flatMap(({ truth }) => truth.containers);
    const used = new Set(containers.flatMap(({ image, imageId }) => [image, imageId]));
    void collector
      .collect(used)
      .catch((error) => log.warn({ error: String(error) }, 'cannot collect images; trying again'));
  });
  const rotation = clock.every(
    rotationInterval,
    () =>
      void rotateLogs(
        context,
        [...workers.values()].map(({ truth }) => truth),
      ),
  );
  return {
    port: server?.port ?? 0,
    nodeName,
    async stop() {
      collection.cancel();
      relist.cancel();
      rotation.cancel();
      unlisten();
      bound.stop();
      allServices.stop();
      sources.stop();
      late.node?.stop();
      await server?.stop();
      await Promise.all(Array.from(workers.values(), (worker) => worker.stop()));
    },
  };
}

function lookup(
  workers: ReadonlyMap<string, PodWorker>,
  key: { namespace: string; name: string; uid?: string },
): PodWorker | undefined {
  for (const worker of workers.values()) {
    const { namespace, name } = worker.pod.metadata;
    if (namespace === key.namespace && name === key.name && (!key.uid || key.uid === worker.uid)) return worker;
  }
  return undefined;
}

/** Something happened in the runtime: the pod it happened to looks again. */
async function noticed(workers: ReadonlyMap<string, PodWorker>, sandboxId: string, containerId: string): Promise<void> {
  for (const worker of workers.values()) {
    if (!worker.truth.sandboxes.some(({ id }) => id === sandboxId)) continue;
    // A container may have ended because its sandbox did: both are looked at.
    await worker.touchSandbox(sandboxId);
    if (containerId) await worker.touchContainer(containerId);
    worker.wake();
    return;
  }
}

async function relistAll(
  runtime: KubeletOptions['runtime'],
  workers: ReadonlyMap<string, PodWorker>,
  log: Context['log'],
): Promise<void> {
  try {
    const all = await listTruth(runtime);
    for (const worker of workers.values()) await worker.relist(all.get(worker.uid) ?? nothing);
  } catch (error) {
    log.warn({ error: String(error) }, 'cannot list what the runtime holds; trying again');
  }
}

/** A pod that was deleted while we were away, as far as its containers remember it. */
function orphanOf(uid: string, truth: PodTruth): Pod {
  const { metadata } = truth.sandboxes[0]?.config ?? { metadata: undefined };
  const labels = truth.containers[0]?.labels ?? {};
  const pod: AnyObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      uid,
      name: metadata?.name ?? labels[label.podName] ?? 'unknown',
      namespace: metadata?.namespace ?? labels[label.podNamespace] ?? 'default',
    },
    spec: { containers: [], terminationGracePeriodSeconds: 30 },
    status: {},
  };
  return pod as unknown as Pod;
}
