/** A runtime without processes, whose containers end when the test says so. */
import { Duplex } from 'node:stream';
import type { Clock } from '../../machinery/index.ts';
import type {
  ContainerConfig,
  ContainerEvent,
  ContainerStatus,
  Runtime,
  SandboxStatus,
  Streams,
} from '../runtime/runtime.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import type { Image, ImageService } from '../runtime/services.ts';
import { ImageError } from '../runtime/services.ts';

export interface TestRuntime extends Runtime {
  readonly configs: Map<string, ContainerConfig>;
  /** Ends the newest running container of this name. */
  exit(name: string, code: number, message?: string): void;
  /** What was asked for, in order: `start web`, `stop web 30000`, … */
  readonly calls: string[];
  /** Answers `exec`. */
  onExec: (command: string[], streams: Streams) => Promise<number>;
  /** Containers that do not end at the stop signal end at once when it is absent. */
  slowStop: number;
  failStart: string;
}

export function testRuntime(clock: Clock): TestRuntime {
  const sandboxes = new Map<string, SandboxStatus>();
  const containers = new Map<string, ContainerStatus>();
  const configs = new Map<string, ContainerConfig>();
  const listeners = new Set<(event: ContainerEvent) => void>();
  const calls: string[] = [];
  let ids = 0;
  const tell = (event: ContainerEvent) => {
    for (const listener of listeners) listener(event);
  };
  const end = (id: string, code: number, message = '') => {
    const found = containers.get(id);
    if (!found || found.state === 'Exited') return;
    const reason = code === 0 ? 'Completed' : 'Error';
    containers.set(id, {
      ...found,
      state: 'Exited',
      exitCode: code,
      reason,
      message,
      finishedAt: clock.now(),
      pid: undefined,
    });
    tell({ sandboxId: found.sandboxId, containerId: id, type: 'exited' });
  };
  const runtime: TestRuntime = {
    name: 'sim',
    handlers: [],
    calls,
    configs,
    slowStop: 0,
    failStart: '',
    onExec: async () => 0,
    exit(name, code, message) {
      const found = [...containers.values()].find((each) => each.metadata.name === name && each.state === 'Running');
      if (!found) throw new Error(`no container ${name} runs`);
      end(found.id, code, message);
    },
    version: async () => 'sim 1',
    start: async () => {},
    async runPodSandbox(config) {
      const id = `s${ids++}`;
      calls.push(`sandbox ${config.metadata.name}`);
      sandboxes.set(id, {
        id,
        config,
        state: 'Ready',
        createdAt: clock.now(),
        ips: config.hostNetwork ? [] : [`127.0.0.${ids % 250}`],
      });
      return sandboxes.get(id) as SandboxStatus;
    },
    async stopPodSandbox(id) {
      const found = sandboxes.get(id);
      if (!found) return;
      sandboxes.set(id, { ...found, state: 'NotReady', ips: [] });
      for (const container of containers.values()) if (container.sandboxId === id) end(container.id, 137);
      calls.push(`stop sandbox`);
    },
    removePodSandbox: async (id) => void sandboxes.delete(id),
    podSandboxStatus: async (id) => sandboxes.get(id),
    listPodSandboxes: async () => [...sandboxes.values()],
    async createContainer(sandboxId, config) {
      const id = `c${ids++}`;
      configs.set(id, config);
      const { metadata, labels, annotations, image, logPath } = config;
      containers.set(id, {
        id,
        sandboxId,
        metadata,
        labels,
        annotations,
        image,
        logPath,
        imageId: `sha256:${image}`,
        state: 'Created',
        createdAt: clock.now() + ids / 1000,
        startedAt: 0,
        finishedAt: 0,
        exitCode: 0,
        reason: '',
        message: '',
        pid: undefined,
      });
      return id;
    },
    async startContainer(id) {
      const found = containers.get(id) as ContainerStatus;
      if (found.metadata.name === runtime.failStart) throw new RuntimeError('RunContainerError', 'no such program');
      calls.push(`start ${found.metadata.name}`);
      containers.set(id, { ...found, state: 'Running', startedAt: clock.now(), pid: 1 });
      tell({ sandboxId: found.sandboxId, containerId: id, type: 'started' });
    },
    async stopContainer(id, grace) {
      const found = containers.get(id);
      if (found?.state !== 'Running') return;
      calls.push(`stop ${found.metadata.name} ${grace}`);
      if (runtime.slowStop > 0) await clock.sleep(Math.min(grace, runtime.slowStop));
      end(id, runtime.slowStop > grace ? 137 : 143);
    },
    async removeContainer(id) {
      containers.delete(id);
      configs.delete(id);
    },
    containerStatus: async (id) => containers.get(id),
    listContainers: async () => [...containers.values()],
    updateContainerResources: async () => {},
    containerStats: async () => ({ cpuNanoseconds: 1_000_000, memoryBytes: 2048, workingSetBytes: 1024, pids: 1 }),
    reopenContainerLog: async () => {},
    exec: (_id, { command }, streams) => runtime.onExec(command, streams),
    attach: async () => {},
    portForward: async () =>
      new Duplex({
        read() {},
        write(_chunk, _encoding, done) {
          done();
        },
      }),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {},
  };
  return runtime;
}

export interface TestImages extends ImageService {
  /** Pulls of these fail with this message. */
  readonly failing: Map<string, string>;
  readonly present: Set<string>;
  pulls: number;
  /** What has a root filesystem. */
  roots: Set<string>;
}

export function testImages(): TestImages {
  const image = (name: string): Image => ({
    id: `sha256:${name}`,
    repoDigests: [],
    repoTags: [name],
    size: 1,
    entrypoint: ['/bin/run'],
    cmd: ['default'],
    env: ['PATH=/bin'],
    workingDir: '/',
    user: '',
    stopSignal: '',
    labels: {},
    exposedPorts: [],
  });
  const images: TestImages = {
    failing: new Map(),
    present: new Set(),
    pulls: 0,
    async pullImage(name) {
      images.pulls++;
      const why = images.failing.get(name);
      if (why) throw new ImageError('ErrImagePull', why);
      images.present.add(name);
      return image(name);
    },
    imageStatus: async (name) => (images.present.has(name) ? image(name) : undefined),
    listImages: async () => [...images.present].map(image),
    removeImage: async (name) => void images.present.delete(name),
    roots: new Set(),
    async prepareRootfs(_image, of) {
      images.roots.add(of);
      return '/';
    },
    removeRootfs: async (of) => void images.roots.delete(of),
  };
  return images;
}
