/**
 * The driver `sim`: pods without processes, for clusters of thousands of nodes. All that happens, happens by the clock
 * passed in, and the same seed gives the same run. A pod's annotations say what its containers do:
 *
 * - `sim.glasshouse.dev/start-milliseconds`: how long starting takes (default: 5 to 20).
 * - `sim.glasshouse.dev/run-milliseconds`: ends by itself after so long (default: never).
 * - `sim.glasshouse.dev/exit-code`: with which code (default: 0).
 * - `sim.glasshouse.dev/stop-milliseconds`: how long it takes to heed the stop signal (default: 1).
 * - `sim.glasshouse.dev/log`: one line it writes when it starts, if the driver keeps logs.
 *
 * `<annotation>.<container>` is for one container. Commands of exec probes and hooks succeed at once.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Random, Timer } from '../../machinery/index.ts';
import { signalNumber } from './command.ts';
import { containerId, sandboxId } from './ids.ts';
import {
  type ContainerConfig,
  type ContainerEvent,
  type ContainerStats,
  type ContainerStatus,
  type Resources,
  type Runtime,
  RuntimeError,
  type SandboxConfig,
  type SandboxStatus,
} from './runtime.ts';

const prefix = 'sim.glasshouse.dev/';
const quickestStart = 5;
const slowestStart = 20;
const killedCode = 137;
const workingSet = 16 << 20;

export interface SimOptions {
  clock: Clock;
  random: Random;
  /** An address for a new pod; absent: addresses of 10.0.0.0/8 are counted up from `firstAddress`. */
  address?: (sandboxId: string) => string;
  firstAddress?: number;
  /** Where a line written by a container goes; absent: nowhere. */
  log?: (logPath: string, line: string) => void;
}

interface SimContainer {
  id: string;
  sandboxId: string;
  config: ContainerConfig;
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  timer: Timer | undefined;
  waiting: (() => void)[] | undefined;
}

export function simRuntime(options: SimOptions): Runtime {
  return new SimRuntime(options);
}

class SimRuntime implements Runtime {
  readonly name = 'sim';
  readonly handlers: readonly string[] = [];
  readonly #options: SimOptions;
  readonly #sandboxes = new Map<string, SandboxStatus>();
  readonly #containers = new Map<string, SimContainer>();
  readonly #listeners = new Set<(event: ContainerEvent) => void>();
  #addresses: number;

  constructor(options: SimOptions) {
    this.#options = options;
    this.#addresses = options.firstAddress ?? 1;
  }

  async version(): Promise<string> {
    return 'sim 1';
  }

  async start(): Promise<void> {}

  async runPodSandbox(config: SandboxConfig): Promise<SandboxStatus> {
    if (config.runtimeHandler !== '')
      throw new RuntimeError(
        'CreatePodSandboxError',
        `no runtime for handler "${config.runtimeHandler}" is configured`,
      );
    const id = sandboxId(config);
    const known = this.#sandboxes.get(id);
    if (known?.state === 'Ready') return known;
    const ips = config.hostNetwork ? [] : [this.#options.address?.(id) ?? this.#nextAddress()];
    const sandbox: SandboxStatus = { id, config, state: 'Ready', createdAt: this.#options.clock.now(), ips };
    this.#sandboxes.set(id, sandbox);
    return sandbox;
  }

  #nextAddress(): string {
    const number = this.#addresses++;
    return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    for (const container of this.#of(id)) await this.stopContainer(container.id, 0);
    this.#sandboxes.set(id, { ...sandbox, state: 'NotReady' });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.stopPodSandbox(id);
    for (const container of this.#of(id)) await this.removeContainer(container.id);
    this.#sandboxes.delete(id);
  }

  async podSandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    return this.#sandboxes.get(id);
  }

  async listPodSandboxes(): Promise<SandboxStatus[]> {
    return [...this.#sandboxes.values()];
  }

  async createContainer(sandbox: string, config: ContainerConfig): Promise<string> {
    const pod = this.#sandboxes.get(sandbox);
    if (!pod) throw new RuntimeError('NotFound', `there is no sandbox ${sandbox}`);
    if (pod.state !== 'Ready') throw new RuntimeError('CreateContainerError', `sandbox ${sandbox} is not ready`);
    if (signalNumber(config.stopSignal) === undefined)
      throw new RuntimeError('CreateContainerError', `stop signal "${config.stopSignal}" is not a signal`);
    const id = containerId(sandbox, config);
    if (this.#containers.has(id)) return id;
    const times = { createdAt: this.#options.clock.now(), startedAt: 0, finishedAt: 0 };
    this.#containers.set(id, {
      id,
      sandboxId: sandbox,
      config,
      ...times,
      exitCode: 0,
      timer: undefined,
      waiting: undefined,
    });
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const container = this.#container(id);
    if (container.finishedAt > 0) throw new RuntimeError('RunContainerError', `container ${id} was started before`);
    if (container.startedAt > 0) return;
    const { clock, random, log } = this.#options;
    const drawn = quickestStart + random.next() * (slowestStart - quickestStart);
    await clock.sleep(this.#number(container, 'start-milliseconds') ?? drawn);
    if (container.startedAt > 0 || !this.#containers.has(id)) return;
    container.startedAt = clock.now();
    const line = this.#annotation(container, 'log');
    if (line !== undefined) log?.(container.config.logPath, line);
    this.#emit(container, 'started');
    const run = this.#number(container, 'run-milliseconds');
    if (run !== undefined)
      container.timer = clock.after(run, () => this.#end(container, this.#number(container, 'exit-code') ?? 0));
  }

  async stopContainer(id: string, graceMilliseconds: number): Promise<void> {
    const container = this.#containers.get(id);
    if (!container || !running(container)) return;
    const heeds = this.#number(container, 'stop-milliseconds') ?? 1;
    const inTime = heeds < graceMilliseconds;
    const signal = signalNumber(container.config.stopSignal) ?? 15;
    if (graceMilliseconds > 0) await this.#endsWithin(container, Math.min(heeds, graceMilliseconds));
    this.#end(container, inTime ? 128 + signal : killedCode);
  }

  /** It may end by itself while it is being stopped. */
  #endsWithin(container: SimContainer, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(milliseconds, resolve);
      (container.waiting ??= []).push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #end(container: SimContainer, code: number): void {
    if (!running(container)) return;
    container.timer?.cancel();
    container.timer = undefined;
    container.finishedAt = this.#options.clock.now();
    container.exitCode = code;
    for (const call of container.waiting ?? []) call();
    container.waiting = undefined;
    this.#emit(container, 'exited');
  }

  async removeContainer(id: string): Promise<void> {
    const container = this.#containers.get(id);
    if (!container) return;
    this.#end(container, killedCode);
    this.#containers.delete(id);
    this.#emit(container, 'removed');
  }

  async containerStatus(id: string): Promise<ContainerStatus | undefined> {
    const container = this.#containers.get(id);
    return container && statusOf(container);
  }

  async listContainers(): Promise<ContainerStatus[]> {
    return [...this.#containers.values()].map(statusOf);
  }

  async updateContainerResources(id: string, resources: Resources): Promise<void> {
    const container = this.#container(id);
    container.config = { ...container.config, resources: { ...container.config.resources, ...resources } };
  }

  async containerStats(id: string): Promise<ContainerStats | undefined> {
    const container = this.#containers.get(id);
    if (!container || !running(container)) return undefined;
    // A hundredth of a core, always.
    const cpuNanoseconds = Math.round((this.#options.clock.now() - container.startedAt) * 10_000);
    return { cpuNanoseconds, memoryBytes: workingSet, workingSetBytes: workingSet, pids: 1 };
  }

  async reopenContainerLog(id: string): Promise<void> {
    this.#running(id);
  }

  async exec(id: string): Promise<number> {
    this.#running(id);
    return 0;
  }

  async attach(id: string, { signal }: { tty: boolean; signal?: AbortSignal }): Promise<void> {
    const container = this.#running(id);
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      (container.waiting ??= []).push(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async portForward(): Promise<Duplex> {
    throw new RuntimeError('NotSupported', 'nothing listens in a simulated pod; use the runtime "process" or "oci"');
  }

  onEvent(listener: (event: ContainerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const container of this.#containers.values()) container.timer?.cancel();
  }

  #container(id: string): SimContainer {
    const container = this.#containers.get(id);
    if (!container) throw new RuntimeError('NotFound', `there is no container ${id}`);
    return container;
  }

  #running(id: string): SimContainer {
    const container = this.#container(id);
    if (running(container)) return container;
    throw new RuntimeError('RunContainerError', `container ${container.config.metadata.name} is not running`);
  }

  #of(sandbox: string): SimContainer[] {
    return [...this.#containers.values()].filter((container) => container.sandboxId === sandbox);
  }

  #annotation(container: SimContainer, name: string): string | undefined {
    const annotations = this.#sandboxes.get(container.sandboxId)?.config.annotations ?? {};
    return annotations[`${prefix}${name}.${container.config.metadata.name}`] ?? annotations[`${prefix}${name}`];
  }

  #number(container: SimContainer, name: string): number | undefined {
    const text = this.#annotation(container, name);
    if (text === undefined) return undefined;
    const number = Number(text);
    if (!Number.isFinite(number) || number < 0)
      throw new RuntimeError(
        'RunContainerError',
        `annotation ${prefix}${name}: "${text}" is not a number of 0 or more`,
      );
    return number;
  }

  #emit({ id, sandboxId: sandbox }: SimContainer, type: ContainerEvent['type']): void {
    for (const listener of this.#listeners) listener({ sandboxId: sandbox, containerId: id, type });
  }
}

function running({ startedAt, finishedAt }: SimContainer): boolean {
  return startedAt > 0 && finishedAt === 0;
}

function statusOf(container: SimContainer): ContainerStatus {
  const { id, sandboxId: sandbox, config, createdAt, startedAt, finishedAt, exitCode } = container;
  const ended = finishedAt > 0;
  return {
    id,
    sandboxId: sandbox,
    metadata: config.metadata,
    labels: config.labels,
    annotations: config.annotations,
    image: config.image,
    imageId: config.image,
    state: ended ? 'Exited' : startedAt > 0 ? 'Running' : 'Created',
    createdAt,
    startedAt,
    finishedAt,
    exitCode,
    reason: ended ? (exitCode === 0 ? 'Completed' : 'Error') : '',
    message: '',
    logPath: config.logPath,
    pid: undefined,
  };
}
