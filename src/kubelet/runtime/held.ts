/**
 * What the drivers with real programs have in common: a ledger on disk, a holder for each program, exits told by files,
 * one verb at a time per container. A driver adds how a pod and a program are made, entered, limited and cleaned up.
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../machinery/index.ts';
import { attachStreams } from './attach.ts';
import { killQuietly, signalNumber } from './command.ts';
import { type Exit, ExitWatch } from './exitwatch.ts';
import { type HeldContainer, files } from './holder.ts';
import { containerId, sandboxId } from './ids.ts';
import { Ledger, containerStatusOf, isRunning, sandboxStatusOf } from './ledger.ts';
import { bootId, isAlive, processStart, readText } from './procfs.ts';
import { LogPump } from './pump.ts';
import type { ContainerRecord, SandboxRecord } from './records.ts';
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
  type Streams,
} from './runtime.ts';
import { Serial } from './serial.ts';
import type { Image, ImageService, PodNetwork } from './services.ts';
import { readNumber } from './waitfile.ts';

/** How long a holder may take to tell of an end after its program was killed. */
const tellTimeout = 5000;
/** What a shell gives for "could not run it"; the reason says which. */
const startErrorCode = 128;
const lostCode = 255;

export interface HeldOptions {
  /** All that the driver keeps is below it. */
  directory: string;
  images: ImageService;
  network: PodNetwork;
  clock: Clock;
  /** Told of what failed behind the verbs, such as a log that cannot be written. */
  warn?: (message: string) => void;
}

export interface Preparation {
  id: string;
  directory: string;
  pod: SandboxRecord;
  config: ContainerConfig;
  image: Image;
  rootfs: string;
}

export abstract class HeldRuntime implements Runtime {
  abstract readonly name: 'oci' | 'process';
  abstract readonly handlers: readonly string[];
  protected readonly ledger: Ledger;
  protected readonly pumps = new Map<string, LogPump>();
  /** Containers being killed by us: their end by signal 9 is no sign of want of memory. */
  protected readonly killed = new Set<string>();
  readonly #options: HeldOptions;
  readonly #exits: ExitWatch;
  readonly #serial = new Serial();
  readonly #starting = new Set<string>();
  readonly #boot = bootId();

  constructor(options: HeldOptions) {
    this.#options = options;
    this.ledger = new Ledger(options.directory);
    this.#exits = new ExitWatch(join(options.directory, 'exits'));
  }

  abstract version(): Promise<string>;
  abstract containerStats(containerId: string): Promise<ContainerStats | undefined>;
  abstract exec(
    containerId: string,
    options: { command: string[]; tty: boolean; signal?: AbortSignal },
    streams: Streams,
  ): Promise<number>;
  abstract portForward(sandboxId: string, port: number): Promise<Duplex>;

  /** Rejects with `RuntimeError` when the pod cannot be run here at all. */
  protected abstract admit(config: SandboxConfig): void;
  /** Makes what the pod's containers share, and adds to the record what is needed to find it again. */
  protected abstract makePod(record: SandboxRecord): Promise<void>;
  /** Removes what `makePod` made, or a part of it. */
  protected abstract removePod(record: SandboxRecord): Promise<void>;
  /** After a crash left a sandbox without a record. */
  protected abstract removeUnknownPod(id: string): Promise<void>;
  protected abstract prepare(preparation: Preparation): Promise<ContainerRecord['holder']>;
  /** Returns the program's process; undefined when it ended before that was known. */
  protected abstract launch(record: ContainerRecord, pod: SandboxRecord, held: HeldContainer): Promise<number>;
  /** Kills all that the container started, not only its program. */
  protected abstract killAll(record: ContainerRecord, pod: SandboxRecord): Promise<void>;
  /** Whether the kernel killed it for want of memory. */
  protected abstract wasOutOfMemory(record: ContainerRecord, pod: SandboxRecord): Promise<boolean>;
  /** `record` is absent when a crash left none. */
  protected abstract removeRest(id: string, record: ContainerRecord | undefined): Promise<void>;
  protected abstract applyResources(record: ContainerRecord, resources: Resources): Promise<void>;
  /** For containers whose holder writes the log itself. */
  protected abstract reopenHeldLog(record: ContainerRecord): Promise<void>;

  async start(): Promise<void> {
    const broken = await this.ledger.load();
    for (const id of broken.containers) await this.#discard(id);
    for (const id of broken.sandboxes) await this.#discardSandbox(id, undefined);
    for (const sandbox of this.ledger.sandboxes.values())
      if (sandbox.boot !== this.#boot && sandbox.state === 'Ready')
        await this.ledger.saveSandbox({ ...sandbox, state: 'NotReady' });
    this.#exits.start((exit) => void this.#ended(exit).catch((error: unknown) => this.#warn(exit.id, error)));
    const ids = [...this.ledger.containers.keys()];
    await Promise.all(ids.map((id) => this.#serial.run(id, () => this.#findAgain(id))));
  }

  async runPodSandbox(config: SandboxConfig): Promise<SandboxStatus> {
    const id = sandboxId(config);
    return this.#serial.run(id, async () => {
      const known = this.ledger.sandboxes.get(id);
      if (known?.state === 'Ready') return sandboxStatusOf(known);
      this.admit(config);
      const { network, clock } = this.#options;
      const record: SandboxRecord = { id, config, state: 'Ready', createdAt: clock.now(), boot: this.#boot, ips: [] };
      try {
        await mkdir(this.ledger.sandboxDirectory(id), { recursive: true, mode: 0o711 });
        if (!config.hostNetwork) Object.assign(record, await network.add({ id, hostPorts: config.hostPorts }));
        await this.makePod(record);
        await this.ledger.saveSandbox(record);
        return sandboxStatusOf(record);
      } catch (error) {
        await this.#discardSandbox(id, record);
        if (error instanceof RuntimeError) throw error;
        throw new RuntimeError('CreatePodSandboxError', (error as Error).message, error);
      }
    });
  }

  async stopPodSandbox(id: string): Promise<void> {
    const record = this.ledger.sandboxes.get(id);
    if (!record) return;
    await Promise.all(this.ledger.containersOf(id).map((container) => this.stopContainer(container.id, 0)));
    await this.#serial.run(id, async () => {
      await this.removePod(record);
      if (!record.config.hostNetwork) await this.#options.network.del(id);
      await this.ledger.saveSandbox({ ...record, state: 'NotReady' });
    });
  }

  async removePodSandbox(id: string): Promise<void> {
    if (!this.ledger.sandboxes.has(id)) return;
    await this.stopPodSandbox(id);
    await Promise.all(this.ledger.containersOf(id).map((container) => this.removeContainer(container.id)));
    await this.#serial.run(id, async () => {
      const record = this.ledger.sandboxes.get(id);
      if (record) await this.removePod(record);
      await this.ledger.dropSandbox(id);
    });
  }

  async podSandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    const record = this.ledger.sandboxes.get(id);
    return record && sandboxStatusOf(record);
  }

  async listPodSandboxes(): Promise<SandboxStatus[]> {
    return [...this.ledger.sandboxes.values()].map(sandboxStatusOf);
  }

  async createContainer(sandbox: string, config: ContainerConfig): Promise<string> {
    const pod = this.ledger.sandbox(sandbox);
    if (pod.state !== 'Ready') throw new RuntimeError('CreateContainerError', `sandbox ${sandbox} is not ready`);
    const id = containerId(sandbox, config);
    return this.#serial.run(id, async () => {
      if (this.ledger.containers.has(id)) return id;
      try {
        await this.#create(id, pod, config);
        return id;
      } catch (error) {
        await this.#discard(id);
        if (error instanceof RuntimeError) throw error;
        throw new RuntimeError('CreateContainerError', (error as Error).message, error);
      }
    });
  }

  async #create(id: string, pod: SandboxRecord, config: ContainerConfig): Promise<void> {
    const { images, clock } = this.#options;
    if (signalNumber(config.stopSignal) === undefined)
      throw new RuntimeError('CreateContainerError', `stop signal "${config.stopSignal}" is not a signal`);
    const image = await images.imageStatus(config.image);
    if (!image) throw new RuntimeError('ImageNotPresent', `image "${config.image}" is not present; pull it first`);
    const directory = this.ledger.containerDirectory(id);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const rootfs = await images.prepareRootfs(image.id, id);
    const holder = await this.prepare({ id, directory, pod, config, image, rootfs });
    await this.#exits.forget(id);
    const times = { createdAt: clock.now(), startedAt: 0 };
    const record = { id, sandboxId: pod.id, config, imageId: image.id, ...times, boot: this.#boot, holder };
    await this.ledger.saveContainer(record);
  }

  async startContainer(id: string): Promise<void> {
    return this.#serial.run(id, async () => {
      const record = this.ledger.container(id);
      if (isRunning(record)) return;
      if (record.launched) throw new RuntimeError('RunContainerError', `container ${id} was started before`);
      record.launched = true;
      this.#starting.add(id);
      try {
        await this.ledger.saveContainer(record);
        await this.#launch(record);
      } catch (error) {
        await this.#startFailed(record, error as Error);
      } finally {
        this.#starting.delete(id);
      }
      this.ledger.emit(record, 'started');
    });
  }

  async #launch(record: ContainerRecord): Promise<void> {
    const { config, id } = record;
    await mkdir(dirname(config.logPath), { recursive: true });
    const directory = this.ledger.containerDirectory(id);
    const { logPath, stdin, tty } = config;
    const held = { id, directory, logPath, exitDirectory: this.#exits.directory, stdin, tty };
    if (record.holder === 'sh') this.#pump(record);
    record.pid = await this.launch(record, this.ledger.sandbox(record.sandboxId), held);
    // Undefined when it has ended already; its exit is told behind us.
    record.pidStart = processStart(record.pid);
    record.startedAt = this.#options.clock.now();
    await this.ledger.saveContainer(record);
  }

  async #startFailed(record: ContainerRecord, error: Error): Promise<never> {
    await this.#closePump(record.id, true);
    const finishedAt = this.#options.clock.now();
    const { message } = error;
    await this.ledger.setExit(record, { code: startErrorCode, finishedAt, reason: 'StartError', message });
    const name = record.config.metadata.name;
    throw new RuntimeError('RunContainerError', `failed to start container "${name}": ${message}`, error);
  }

  async stopContainer(id: string, graceMilliseconds: number): Promise<void> {
    // Behind a start that is under way.
    await this.#serial.run(id, async () => undefined);
    const record = this.ledger.containers.get(id);
    if (!record || !isRunning(record)) return;
    const ended = this.ledger.ended(id);
    if (graceMilliseconds > 0) {
      this.#signal(record, signalNumber(record.config.stopSignal) ?? 'SIGTERM');
      if (await this.#within(ended, graceMilliseconds)) return;
    }
    this.killed.add(id);
    this.#signal(record, 'SIGKILL');
    if (await this.#within(ended, tellTimeout)) return;
    await this.killAll(record, this.ledger.sandbox(record.sandboxId));
    await this.#within(ended, tellTimeout);
    await this.#serial.run(id, () => this.#checkLost(record));
    if (record.exit === undefined)
      throw new RuntimeError('RunContainerError', `container ${id} does not end, even when killed`);
  }

  #signal(record: ContainerRecord, signal: NodeJS.Signals | number): void {
    if (record.pid !== undefined && isAlive(record.pid, record.pidStart)) killQuietly(record.pid, signal);
  }

  async #within(ended: Promise<void>, milliseconds: number): Promise<boolean> {
    let timer: { cancel(): void } | undefined;
    const late = new Promise<false>((resolve) => {
      timer = this.#options.clock.after(milliseconds, () => resolve(false));
    });
    const result = await Promise.race([ended.then(() => true), late]);
    timer?.cancel();
    return result;
  }

  async removeContainer(id: string): Promise<void> {
    if (!this.ledger.containers.has(id)) return;
    await this.stopContainer(id, 0);
    await this.#serial.run(id, () => this.#discard(id));
  }

  /** Removes all that a container may have left, whatever state its making or its end was in. */
  async #discard(id: string): Promise<void> {
    await this.#closePump(id, true);
    await this.removeRest(id, this.ledger.containers.get(id));
    await this.#options.images.removeRootfs(id);
    await this.#exits.forget(id);
    this.killed.delete(id);
    await this.ledger.dropContainer(id);
  }

  async #discardSandbox(id: string, record: SandboxRecord | undefined): Promise<void> {
    if (record) await this.removePod(record).catch(() => undefined);
    await this.removeUnknownPod(id);
    await this.#options.network.del(id).catch(() => undefined);
    await rm(this.ledger.sandboxDirectory(id), { recursive: true, force: true });
    this.ledger.sandboxes.delete(id);
  }

  async containerStatus(id: string): Promise<ContainerStatus | undefined> {
    const record = this.ledger.containers.get(id);
    return record && containerStatusOf(record);
  }

  /** Also notices programs that went without a word because their holder was killed. */
  async listContainers(): Promise<ContainerStatus[]> {
    for (const record of this.ledger.containers.values())
      if (record.launched && !record.exit && !this.#starting.has(record.id) && !isAlive(record.pid, record.pidStart))
        await this.#serial.run(record.id, () => this.#lookAgain(record));
    return [...this.ledger.containers.values()].map(containerStatusOf);
  }

  async updateContainerResources(id: string, resources: Resources): Promise<void> {
    const record = this.ledger.container(id);
    if (isRunning(record)) await this.applyResources(record, resources);
    record.config.resources = { ...record.config.resources, ...resources };
    await this.ledger.saveContainer(record);
  }

  async reopenContainerLog(id: string): Promise<void> {
    const record = this.ledger.running(id);
    const pump = this.pumps.get(id);
    if (pump) await pump.reopen();
    else await this.reopenHeldLog(record);
  }

  async attach(id: string, options: { tty: boolean; signal?: AbortSignal }, streams: Streams): Promise<void> {
    const { config, pid } = this.ledger.running(id);
    const target = {
      pid,
      directory: this.ledger.containerDirectory(id),
      config,
      pump: this.pumps.get(id),
      ended: this.ledger.ended(id),
      clock: this.#options.clock,
    };
    await attachStreams(target, streams, options.signal);
  }

  onEvent(listener: (event: ContainerEvent) => void): () => void {
    return this.ledger.onEvent(listener);
  }

  async close(): Promise<void> {
    this.#exits.close();
    await Promise.all([...this.pumps.keys()].map((id) => this.#closePump(id, false)));
  }

  #pump(record: ContainerRecord): void {
    const { clock } = this.#options;
    const warn = (error: unknown) => this.#warn(record.id, error);
    const pump = new LogPump(this.ledger.containerDirectory(record.id), record.config.logPath, clock, warn);
    this.pumps.set(record.id, pump);
    pump.start();
  }

  #warn(id: string, error: unknown): void {
    this.#options.warn?.(`container ${id}: ${(error as Error).message}`);
  }

  async #closePump(id: string, ended: boolean): Promise<void> {
    const pump = this.pumps.get(id);
    this.pumps.delete(id);
    await pump?.close(ended);
  }

  #ended(exit: Exit): Promise<void> {
    return this.#serial.run(exit.id, async () => {
      const record = this.ledger.containers.get(exit.id);
      if (!record || record.exit || !record.launched) return;
      await this.#settle(record, exit.code, this.#options.clock.now());
    });
  }

  /** Writes down how a container ended. */
  async #settle(record: ContainerRecord, code: number, finishedAt: number): Promise<void> {
    await this.#closePump(record.id, true);
    const pod = this.ledger.sandbox(record.sandboxId);
    const suspect = code === 137 && !this.killed.has(record.id);
    const outOfMemory = suspect && (await this.wasOutOfMemory(record, pod));
    // Where the process namespace is not its own, its program's children outlive it.
    await this.killAll(record, pod);
    const reason = outOfMemory ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error';
    await this.ledger.setExit(record, { code, finishedAt, reason, message: '' });
  }

  #holderAlive({ id }: ContainerRecord): boolean {
    const holder = readNumber(join(this.ledger.containerDirectory(id), files.holder));
    if (holder === undefined) return false;
    if (process.platform !== 'linux') return killQuietly(holder, 0);
    return (readText(`/proc/${holder}/cmdline`) ?? '').includes(id);
  }

  async #checkLost(record: ContainerRecord): Promise<void> {
    if (record.exit || isAlive(record.pid, record.pidStart)) return;
    const { clock } = this.#options;
    const exit = this.#exits.read(record.id);
    if (exit) return this.#settle(record, exit.code, exit.at);
    await this.#closePump(record.id, true);
    const message =
      record.boot === this.#boot ? 'its exit code was lost: what held it was killed' : 'the machine was restarted';
    await this.ledger.setExit(record, { code: lostCode, finishedAt: clock.now(), reason: 'Error', message });
  }

  /** After a restart of ours: what became of a container meanwhile. */
  async #findAgain(id: string): Promise<void> {
    const record = this.ledger.containers.get(id);
    if (!record || record.exit || !record.launched) return;
    if (record.holder === 'sh') this.#pump(record);
    await this.#lookAgain(record);
  }

  async #lookAgain(record: ContainerRecord): Promise<void> {
    if (record.exit) return;
    if (record.pid === undefined && record.boot === this.#boot) await this.#adopt(record);
    const exit = this.#exits.read(record.id);
    if (exit) return this.#settle(record, exit.code, exit.at);
    if (isAlive(record.pid, record.pidStart) || this.#holderAlive(record)) return;
    await this.#checkLost(record);
  }

  /** We were killed between launching it and writing down its process. Its holder knows. */
  async #adopt(record: ContainerRecord): Promise<void> {
    const pid = readNumber(join(this.ledger.containerDirectory(record.id), files.pid));
    if (pid === undefined || !this.#holderAlive(record)) return;
    record.pid = pid;
    record.pidStart = processStart(pid);
    record.startedAt = this.#options.clock.now();
    await this.ledger.saveContainer(record);
  }
}
