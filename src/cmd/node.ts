/** This machine as a node: its network, its runtime, its agent. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Places, RuntimeName } from '../cli/index.ts';
import type { Client, Informers, Log } from '../client/index.ts';
import {
  type Kubelet,
  ociRuntime,
  processRuntime,
  type Runtime,
  simRuntime,
  startKubelet,
  unmountAll,
} from '../kubelet/index.ts';
import { systemClock as clock, systemRandom as random } from '../machinery/index.ts';
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
  nodeName: string;
  pki: Pki;
  log: Log;
  informers: Informers;
  /** As the node agent, and as the network. */
  kubelet: Client;
  network: Client;
  report(part: string, what: string): void;
}

export interface RunningNode {
  /** Resolves once Services and names that the server knew are in place. */
  ready: Promise<void>;
  /** Containers go on running. */
  stop(): Promise<void>;
}

export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { places, plan, runtime: chosen, nodeName, pki, log, informers, report } = options;
  const network = await startNetwork({
    client: options.network,
    informers,
    clock,
    random,
    log,
    mode: plan.mode,
    directory: places.network,
    nodeName,
    podCIDR: plan.podCIDR,
    clusterCIDR: plan.clusterCIDR,
    serviceCIDR: plan.serviceCIDR,
    masquerade: true,
  });
  report(
    'network',
    `pods ${plan.clusterCIDR}, services ${plan.serviceCIDR}, ${plan.mode === 'kernel' ? 'nftables' : 'sockets'}`,
  );
  const { ip, port } = network.dnsAddress;
  report('dns', `cluster.local on ${ip}:${port}`);
  const images = await openImageService(places);
  const runtime = await runtimeOf(chosen.name, { places, network: network.podNetwork, images });
  await runtime.start();
  report('runtime', `${await runtime.version()}${chosen.remark ? ` (${chosen.remark})` : ''}`);
  const kubelet: Kubelet = await startKubelet({
    client: options.kubelet,
    runtime,
    images,
    nodeName,
    clock,
    random,
    log,
    directory: places.kubelet,
    addresses: [
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: nodeName },
    ],
    podCIDR: plan.podCIDR,
    clusterDNS: port === 53 ? [ip] : [],
    dnsFor: (pod) => {
      const { nameservers, searches, options: settings } = network.resolvConfFor(pod as never);
      return { servers: nameservers, searches, options: settings };
    },
    server: {
      host: '127.0.0.1',
      port: 0,
      cert: pki.kubelet.certificate,
      key: pki.kubelet.key,
      clientCA: pki.authority.certificate,
      allowedClients: [kubeletClientName],
    },
  });
  report('node', nodeName);
  const ready = Promise.all([network.ready(), ensureDnsService(options.network, plan.dnsAddress, network.dnsAddress)]);
  // whoever waits for it hears of a failure; until then it is nobody's
  ready.catch(() => {});
  return {
    ready: ready.then(() => {}),
    async stop() {
      await kubelet.stop();
      await runtime.close();
      await network.stop();
    },
  };
}

interface RuntimeParts {
  places: Places;
  network: Network['podNetwork'];
  images: Awaited<ReturnType<typeof openImageService>>;
}

async function runtimeOf(name: RuntimeName, { places, network, images }: RuntimeParts): Promise<Runtime> {
  const common = { directory: places.runtime, images, network, clock, random };
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
      : loopbackPodNetwork({ directory: places.network, podCIDR: plan.podCIDR });
  const images = await openImageService(places);
  const runtime = await runtimeOf(kept, { places, network, images });
  await runtime.start();
  await Promise.all((await runtime.listPodSandboxes()).map((sandbox) => endSandbox(runtime, sandbox.id)));
  await runtime.close();
  await network.down();
  if (plan.mode === 'kernel') await removeServices(runProgram);
  await unmountAll(places.kubelet);
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
