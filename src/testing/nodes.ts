/** Nodes for a test's cluster: the real node agent on the runtime `sim`. Containers start and end by the clock; their files are real, in a folder of the test's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client, Log } from '../client/index.ts';
import { type ImageService, type Kubelet, simRuntime, startKubelet, unmountVolumes } from '../kubelet/index.ts';
import type { Clock, Random } from '../machinery/index.ts';

export interface NodesOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface TestNodes {
  /** Ends one agent, as if its machine had stopped; its Node object stays. */
  stop(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts `count` nodes named `node-0`, `node-1`, … */
export async function startNodes(count: number, options: NodesOptions): Promise<TestNodes> {
  const directory = mkdtempSync(join(tmpdir(), 'glass-nodes-'));
  const kubelets = new Map<string, Kubelet>();
  for (let n = 0; n < count; n++) {
    const nodeName = `node-${n}`;
    const runtime = simRuntime({ clock: options.clock, random: options.random, firstAddress: n * 256 + 1 });
    await runtime.start();
    const kubelet = await startKubelet({
      ...options,
      runtime,
      images: everyImage,
      nodeName,
      directory: join(directory, nodeName),
      addresses: [{ type: 'InternalIP', address: `192.0.2.${n + 1}` }],
      capacity: { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' },
    });
    kubelets.set(nodeName, kubelet);
  }
  return {
    async stop(name) {
      await kubelets.get(name)?.stop();
      kubelets.delete(name);
    },
    async close() {
      await Promise.all(Array.from(kubelets.values(), (kubelet) => kubelet.stop()));
      await unmountVolumes({ directory, images: everyImage });
      rmSync(directory, { recursive: true, force: true });
    },
  };
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
    entrypoint: ['/program'],
    cmd: [],
    env: [],
    workingDir: '/',
    user: '',
    stopSignal: 'SIGTERM',
    labels: {},
    exposedPorts: [],
  };
}
