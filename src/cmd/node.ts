/** This machine as a node, or as several: its network, its runtime, its agent. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { tellOfProcess } from '../apiserver/index.ts';
import type { Places, RuntimeName } from '../cli/index.ts';
import type { Client, Informers, Log } from '../client/index.ts';
import {
  type Kubelet,
  ociRuntime,
  processRuntime,
  type Runtime,
  simRuntime,
  startKubelet,
  unmountVolumes,
} from '../kubelet/index.ts';
import { MetricSet, systemClock as clock, systemRandom as random } from '../machinery/index.ts';
import {
  bridgePodNetwork,
  loopbackPodNetwork,
  type Network,
  type OwnedPodNetwork,
  removeServices,
  runProgram,
  startNetwork,
} from '../network/index.ts';
import { type Addressing, addressing } from './addressing.ts';
import { ensureDnsService } from './dnsservice.ts';
import { openImageService } from './images.ts';
import { kubeletClientName, type Pki } from './pki.ts';
import type { ChosenRuntime } from './runtimes.ts';

export interface NodeOptions {
  places: Places;
  plan: Addressing;
  runtime: ChosenRuntime;
  /** One or more; the first has the name of the machine. */
  nodes: readonly NodeIdentity[];
  pki: Pki;
  log: Log;
  informers: Informers;
  /** As a node's agent, and as the network. */
  kubelet(nodeName: string): Client;
  network: Client;
  report(part: string, what: string): void;
}

export interface NodeIdentity {
  name: string;
  /** Of this machine; node ports and host ports answer there, too, where it is not on loopback. */
  address: string;
}

export interface RunningNode {
  /** Resolves once Services and names that the server knew are in place. */
  ready: Promise<void>;
  /** Containers go on running. */
  stop(): Promise<void>;
}

export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { places, plan, runtime: chosen, nodes, log, informers, report } = options;
  const network = await startNetwork({
    client: options.network,
    informers,
    clock,
    random,
    log,
    mode: plan.mode,
    directory: places.network,
    nodeName: nodes.map(({ name }) => name),
    publishOn: nodes.map(({ address }) => address).filter((address) => !address.startsWith('127.')),
    podCIDR: plan.podCIDR,
    clusterCIDR: plan.clusterCIDR,
    serviceCIDR: plan.serviceCIDR,
    masquerade: true,
  });
  report(
    'network',
    `pods ${plan.clusterCIDR}, services ${plan.serviceCIDR}, ${plan.mode === 'kernel' ? 'nftables' : 'sockets'}`,
  );
  report('dns', `cluster.local on ${network.dnsAddress.ip}:${network.dnsAddress.port}`);
  const images = await openImageService(places);
  const agents: Agent[] = [];
  const stop = async () => {
    await Promise.all(agents.map(({ kubelet }) => kubelet.stop()));
    await Promise.all(agents.map(({ runtime }) => runtime.close()));
    await network.stop();
  };
  try {
    for (const [index, node] of nodes.entries())
      agents.push(await startAgent(options, { network, images, node, index, of: nodes.length }));
  } catch (error) {
    await stop();
    throw error;
  }
  report('runtime', `${await agents[0]!.runtime.version()}${chosen.remark ? ` (${chosen.remark})` : ''}`);
  report('node', nodes.map(({ name }) => name).join(', '));
  const ready = Promise.all([network.ready(), ensureDnsService(options.network, plan.dnsAddress, network.dnsAddress)]);
  // whoever waits for it hears of a failure; until then it is nobody's
  ready.catch(() => {});
  return { ready: ready.then(() => {}), stop };
}

/** Upstream's. */
const kubeletPort = 10_250;

interface Agent {
  kubelet: Kubelet;
  runtime: Runtime;
}

interface AgentParts {
  network: Network;
  images: Awaited<ReturnType<typeof openImageService>>;
  node: NodeIdentity;
  index: number;
  /** How many nodes share this machine. */
  of: number;
}

async function startAgent(options: NodeOptions, parts: AgentParts): Promise<Agent> {
  const { plan, pki, log } = options;
  const { network, images, node, index } = parts;
  const places = agentPlaces(options.places, index);
  const podNetwork = parts.of > 1 ? atAddress(network.podNetwork, node.address) : network.podNetwork;
  const runtime = await runtimeOf(options.runtime.name, { directory: places.runtime, network: podNetwork, images });
  await runtime.start();
  const { ip, port } = network.dnsAddress;
  const kubelet = await startKubelet({
    client: options.kubelet(node.name),
    runtime,
    images,
    nodeName: node.name,
    clock,
    random,
    log,
    directory: places.kubelet,
    addresses: [
      { type: 'InternalIP', address: node.address },
      { type: 'Hostname', address: node.name },
    ],
    capacity: parts.of > 1 ? shareOfMachine(parts.of) : undefined,
    // nodes of one machine share its range; no one of them has it to itself
    podCIDR: parts.of > 1 ? undefined : plan.podCIDR,
    clusterDNS: port === 53 ? [ip] : [],
    dnsFor: (pod) => {
      const { nameservers, searches, options: settings } = network.resolvConfFor(pod as never);
      return { servers: nameservers, searches, options: settings };
    },
    metrics: ownMetrics(),
    server: {
      host: node.address,
      // an address of the node's own: then at the port where everybody looks for it
      port: node.address.startsWith('127.') ? 0 : kubeletPort,
      cert: pki.kubelet.certificate,
      key: pki.kubelet.key,
      clientCA: pki.authority.certificate,
      allowedClients: [kubeletClientName],
    },
  });
  return { kubelet, runtime };
}

/** Of an agent: what it does, and the process that it does it in. */
function ownMetrics(): MetricSet {
  const metrics = new MetricSet();
  tellOfProcess(metrics, clock.now() - process.uptime() * 1000);
  return metrics;
}

/** The first node's folders are the cluster's own. */
function agentPlaces(places: Places, index: number): { runtime: string; kubelet: string } {
  if (index === 0) return places;
  const root = join(places.root, 'nodes', String(index + 1));
  return { runtime: join(root, 'runtime'), kubelet: join(root, 'kubelet') };
}

function shareOfMachine(nodes: number): Record<string, string> {
  return {
    cpu: `${Math.floor((availableParallelism() * 1000) / nodes)}m`,
    memory: `${Math.floor(totalmem() / 1024 / nodes)}Ki`,
  };
}

/** A host port is the node's, so where several nodes share a machine it answers at that node's address alone. */
function atAddress(network: Network['podNetwork'], address: string): Network['podNetwork'] {
  return {
    add: ({ id, hostPorts }) =>
      network.add({
        id,
        hostPorts: hostPorts.map((port) =>
          port.hostIP === '' || port.hostIP === '0.0.0.0' ? { ...port, hostIP: address } : port,
        ),
      }),
    del: (id) => network.del(id),
    check: (id) => network.check(id),
  };
}

interface RuntimeParts {
  directory: string;
  network: Network['podNetwork'];
  images: Awaited<ReturnType<typeof openImageService>>;
}

async function runtimeOf(name: RuntimeName, { directory, network, images }: RuntimeParts): Promise<Runtime> {
  const common = { directory, images, network, clock, random };
  if (name === 'oci') return ociRuntime(common);
  if (name === 'process') return processRuntime(common);
  return simRuntime({ clock, random });
}

/** Ends all containers of a folder and removes its network, whether or not the platform runs. */
export async function stopWorkloads(places: Places): Promise<void> {
  const kept = await lastRuntime(places);
  if (kept === undefined) return;
  const plan = addressing(kept);
  const network: OwnedPodNetwork =
    plan.mode === 'kernel'
      ? bridgePodNetwork({
          directory: places.network,
          podCIDR: plan.podCIDR,
          clusterCIDR: plan.clusterCIDR,
          serviceCIDR: plan.serviceCIDR,
        })
      : loopbackPodNetwork({ directory: places.network, podCIDR: plan.podCIDR, clock });
  const images = await openImageService(places);
  const folders = await agentFolders(places);
  for (const { runtime: directory } of folders) {
    const runtime = await runtimeOf(kept, { directory, network, images });
    await runtime.start();
    await Promise.all((await runtime.listPodSandboxes()).map((sandbox) => endSandbox(runtime, sandbox.id)));
    await runtime.close();
  }
  await network.down();
  if (plan.mode === 'kernel') await removeServices(runProgram);
  for (const { kubelet } of folders) await unmountVolumes({ directory: kubelet, images });
}

/** Of every node that this machine has carried. */
async function agentFolders(places: Places): Promise<{ runtime: string; kubelet: string }[]> {
  const further = await readdir(join(places.root, 'nodes')).catch(() => []);
  return [places, ...further.map((name) => agentPlaces(places, Number(name) - 1))];
}

const grace = 2_000;

async function endSandbox(runtime: Runtime, id: string): Promise<void> {
  const containers = (await runtime.listContainers()).filter(({ sandboxId }) => sandboxId === id);
  await Promise.all(containers.map((container) => runtime.stopContainer(container.id, grace)));
  await Promise.all(containers.map((container) => runtime.removeContainer(container.id)));
  await runtime.stopPodSandbox(id);
  await runtime.removePodSandbox(id);
}

/** Which runtime the folder's containers were started with; written by `up`. */
async function lastRuntime(places: Places): Promise<RuntimeName | undefined> {
  const file = `${places.root}/runtime.json`;
  if (!existsSync(file)) return undefined;
  return (JSON.parse(await readFile(file, 'utf8')) as { runtime: RuntimeName }).runtime;
}
