/** Nodes that exist only as objects and timers: one agent each, on the runtime `sim`. */
import type { Client, Log } from '../client/index.ts';
import { type ImageService, type Kubelet, simRuntime, startKubelet } from '../kubelet/index.ts';
import type { Clock, Random } from '../machinery/index.ts';

export interface SimNodesOptions {
  count: number;
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  directory: string;
}

/** Returns how to end them. */
export async function startSimNodes({
  count,
  client,
  clock,
  random,
  log,
  directory,
}: SimNodesOptions): Promise<() => Promise<void>> {
  const kubelets: Kubelet[] = [];
  for (let n = 0; n < count; n++) {
    const runtime = simRuntime({ clock, random, firstAddress: n * 256 + 1 });
    await runtime.start();
    kubelets.push(
      await startKubelet({
        client,
        runtime,
        images: everyImage,
        nodeName: `sim-${n}`,
        clock,
        random,
        log,
        directory: `${directory}/sim-${n}`,
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        capacity: { cpu: '32', memory: '256Gi', pods: '110' },
        labels: { type: 'sim' },
        taints: [{ key: 'glasshouse.dev/sim', effect: 'NoSchedule' }],
      }),
    );
  }
  return async () => void (await Promise.all(kubelets.map((kubelet) => kubelet.stop())));
}

const everyImage: ImageService = {
  pullImage: async (reference) => imageOf(reference),
  imageStatus: async (reference) => imageOf(reference),
  listImages: async () => [],
  removeImage: async () => {},
  prepareRootfs: async () => '/',
  removeRootfs: async () => {},
};

function imageOf(reference: string): Awaited<ReturnType<ImageService['pullImage']>> {
  return {
    id: `sha256:${Buffer.from(reference).toString('hex').padEnd(64, '0').slice(0, 64)}`,
    repoDigests: [],
    repoTags: [reference],
    size: 0,
    entrypoint: ['/sim'],
    cmd: [],
    env: [],
    workingDir: '/',
    user: '',
    stopSignal: 'SIGTERM',
    labels: {},
    exposedPorts: [],
  };
}
