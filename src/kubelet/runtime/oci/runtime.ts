/** The driver `oci`: containers by crun, runc or any other OCI runtime's command line. */
import { constants } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { attachStreams } from '../attach.ts';
import { podCgroup } from '../cgroups.ts';
import { killQuietly, signalNumber } from '../command.ts';
import { execute } from '../execute.ts';
import { type Exit, ExitWatch } from '../exitwatch.ts';
import { type HeldContainer, files } from '../holder.ts';
import { containerId, sandboxId } from '../ids.ts';
import { Ledger, containerStatusOf, isRunning, sandboxStatusOf } from '../ledger.ts';
import { connectInNamespace, connectTo } from '../portforward.ts';
import { bootId, isAlive, processStart, readText } from '../procfs.ts';
import { LogPump } from '../pump.ts';
import type { ContainerRecord, SandboxRecord } from '../records.ts';
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
} from '../runtime.ts';
import { Serial } from '../serial.ts';
import { startShim } from '../shim.ts';
import { readNumber } from '../waitfile.ts';
import { writeBundle } from './bundle.ts';
import { conmonHolder, reopenLog } from './conmon.ts';
import { startNamespaceHolder } from './namespaceholder.ts';
import { runtimeProblem } from './problem.ts';
import { makeSandbox, unmountSandbox } from './sandbox.ts';
import type { OciSetup } from './setup.ts';

const killTimeout = 10_000;
const runtimeTimeout = 30_000;
/** How long a holder may take to tell of an end after its program is gone. */
const tellTimeout = 5000;
/** What a shell gives for "could not run it"; the reason says which. */
const startErrorCode = 128;
const lostCode = 255;

export class OciRuntime implements Runtime {
  readonly name = 'oci';
  readonly handlers: readonly string[];
  readonly #setup: OciSetup;
  readonly #ledger: Ledger;
  readonly #exits: ExitWatch;
  readonly #serial = new Serial();
  readonly #pumps = new Map<string, LogPump>();
  /** Containers being killed by us: their end by signal 9 is no sign of want of memory. */
  readonly #killed = new Set<string>();
  readonly #boot = bootId();

  constructor(setup: OciSetup) {
    this.#setup = setup;
    this.handlers = [...setup.binaries.keys()].filter((handler) => handler !== '');
    this.#ledger = new Ledger(setup.directory);
    this.#exits = new ExitWatch(join(setup.directory, 'exits'));
  }

  async version(): Promise<string> {
    return this.#binary('').version();
  }

  async start(): Promise<void> {
    const broken = await this.#ledger.load();
    for (const id of broken.containers) await this.#discard(id);
    for (const id of broken.sandboxes) await this.#discardSandbox(id);
    for (const sandbox of this.#ledger.sandboxes.values())
      if (sandbox.boot !== this.#boot && sandbox.state === 'Ready')
        await this.#ledger.saveSandbox({ ...sandbox, state: 'NotReady' });
    this.#exits.start((exit) => void this.#ended(exit));
    await Promise.all([...this.#ledger.containers.keys()].map((id) => this.#serial.run(id, () => this.#findAgain(id))));
  }

  async runPodSandbox(config: SandboxConfig): Promise<SandboxStatus> {
    const id = sandboxId(config);
    return this.#serial.run(id, async () => {
      const known = this.#ledger.sandboxes.get(id);
      if (known?.state === 'Ready') return sandboxStatusOf(known);
      this.#binary(config.runtimeHandler);
      try {
        return sandboxStatusOf(await this.#makeSandbox(id, config));
      } catch (error) {
        await this.#discardSandbox(id);
        if (error instanceof RuntimeError) throw error;
        throw new RuntimeError('CreatePodSandboxError', (error as Error).message, error);
      }
    });
  }

  async #makeSandbox(id: string, config: SandboxConfig): Promise<SandboxRecord> {
    const { network, clock, cgroups, cgroupParent, podPidsLimit } = this.#setup;
    const directory = this.#ledger.sandboxDirectory(id);
    await mkdir(directory, { recursive: true, mode: 0o711 });
    const addresses = config.hostNetwork ? { ips: [] } : await network.add({ id, hostPorts: config.hostPorts });
    const record: SandboxRecord = {
      id,
      config,
      state: 'Ready',
      createdAt: clock.now(),
      boot: this.#boot,
      ...addresses,
    };
    const group = podCgroup(cgroupParent, config);
    await cgroups.ensure(group, { pidsLimit: podPidsLimit, ...config.resources });
    await makeSandbox(directory, config, record, clock);
    if (config.shareProcessNamespace && !config.hostPID)
      record.holderPid = await startNamespaceHolder(this.#binary(config.runtimeHandler), {
        id,
        directory,
        group,
        clock,
      });
    await this.#ledger.saveSandbox(record);
    return record;
  }

  async stopPodSandbox(id: string): Promise<void> {
    const record = this.#ledger.sandboxes.get(id);
    if (!record) return;
    await Promise.all(this.#ledger.containersOf(id).map((container) => this.stopContainer(container.id, 0)));
    await this.#serial.run(id, async () => {
      await this.#dismantle(record);
      await this.#ledger.saveSandbox({ ...record, state: 'NotReady' });
    });
  }

  async #dismantle({ id, config, holderPid }: SandboxRecord): Promise<void> {
    const { network, clock, cgroups, cgroupParent } = this.#setup;
    if (holderPid !== undefined)
      await this.#binary(config.runtimeHandler).run(['delete', '--force', id], runtimeTimeout);
    if (!config.hostNetwork) await network.del(id);
    await unmountSandbox(this.#ledger.sandboxDirectory(id), clock);
    await cgroups.remove(podCgroup(cgroupParent, config));
  }

  async removePodSandbox(id: string): Promise<void> {
    if (!this.#ledger.sandboxes.has(id)) return;
    await this.stopPodSandbox(id);
    await Promise.all(this.#ledger.containersOf(id).map((container) => this.removeContainer(container.id)));
    await this.#serial.run(id, async () => {
      const record = this.#ledger.sandboxes.get(id);
      if (record) await this.#setup.cgroups.remove(podCgroup(this.#setup.cgroupParent, record.config));
      await this.#ledger.dropSandbox(id);
    });
  }

  async podSandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    const record = this.#ledger.sandboxes.get(id);
    return record && sandboxStatusOf(record);
  }

  async listPodSandboxes(): Promise<SandboxStatus[]> {
    return [...this.#ledger.sandboxes.values()].map(sandboxStatusOf);
  }

  async createContainer(sandbox: string, config: ContainerConfig): Promise<string> {
    const pod = this.#ledger.sandbox(sandbox);
    if (pod.state !== 'Ready') throw new RuntimeError('CreateContainerError', `sandbox ${sandbox} is not ready`);
    const id = containerId(sandbox, config);
    return this.#serial.run(id, async () => {
      if (this.#ledger.containers.has(id)) return id;
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
    const { images, clock, conmon, seccompDirectory, limitSwap } = this.#setup;
    if (signalNumber(config.stopSignal) === undefined)
      throw new RuntimeError('CreateContainerError', `stop signal "${config.stopSignal}" is not a signal`);
    const image = await images.imageStatus(config.image);
    if (!image) throw new RuntimeError('ImageNotPresent', `image "${config.image}" is not present; pull it first`);
    const directory = this.#ledger.containerDirectory(id);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const rootfs = await images.prepareRootfs(image.id, id);
    await writeBundle({
      directory,
      sandboxDirectory: this.#ledger.sandboxDirectory(pod.id),
      sandbox: pod,
      container: config,
      image,
      rootfs,
      cgroupsPath: `${this.#group(pod, id)}/c`,
      seccompDirectory,
      limitSwap,
    });
    await this.#exits.forget(id);
    await this.#ledger.saveContainer({
      id,
      sandboxId: pod.id,
      config,
      imageId: image.id,
      createdAt: clock.now(),
      startedAt: 0,
      boot: this.#boot,
      holder: conmon !== undefined && !config.stdin && !config.tty ? 'conmon' : 'sh',
    });
  }

  async startContainer(id: string): Promise<void> {
    return this.#serial.run(id, async () => {
      const record = this.#ledger.container(id);
      if (isRunning(record)) return;
      if (record.launched) throw new RuntimeError('RunContainerError', `container ${id} was started before`);
      record.launched = true;
      await this.#ledger.saveContainer(record);
      try {
        await this.#launch(record);
      } catch (error) {
        const { message } = error as Error;
        await this.#closePump(id, true);
        const exit = { code: startErrorCode, finishedAt: this.#setup.clock.now(), reason: 'StartError', message };
        await this.#ledger.setExit(record, exit);
        throw new RuntimeError(
          'RunContainerError',
          `failed to start container "${record.config.metadata.name}": ${message}`,
          error,
        );
      }
      this.#ledger.emit(record, 'started');
    });
  }

  async #launch(record: ContainerRecord): Promise<void> {
    const { cgroups, clock } = this.#setup;
    const pod = this.#ledger.sandbox(record.sandboxId);
    const group = this.#group(pod, record.id);
    await cgroups.ensure(group, {});
    await cgroups.watchMemory(group, record.config.resources.memoryLimit);
    await mkdir(dirname(record.config.logPath), { recursive: true });
    const held = this.#held(record);
    const binary = this.#binary(pod.config.runtimeHandler);
    await mkdir(binary.root, { recursive: true, mode: 0o700 });
    const sharedMounts = record.config.mounts.some(({ propagation }) => propagation === 'Bidirectional');
    if (record.holder === 'conmon' && this.#setup.conmon)
      record.pid = await conmonHolder({ conmon: this.#setup.conmon, runtime: binary, clock, sharedMounts }).start(held);
    else {
      this.#pump(record);
      const log = join(held.directory, files.runtimeLog);
      const run = [
        `--log=${log}`,
        '--log-format=json',
        'run',
        '--pid-file',
        join(held.directory, files.pid),
        '--bundle',
        held.directory,
        record.id,
      ];
      record.pid = await startShim(held, binary.wrap(binary.command(...run), sharedMounts), { clock });
      if (record.pid === undefined)
        throw new Error(runtimeProblem(readText(log), readText(join(held.directory, files.stderr))));
    }
    // Undefined when it has ended already; its exit is told behind us.
    record.pidStart = processStart(record.pid);
    record.startedAt = clock.now();
    await this.#ledger.saveContainer(record);
  }

  async stopContainer(id: string, graceMilliseconds: number): Promise<void> {
    const record = this.#ledger.containers.get(id);
    if (!record) return;
    // Behind a start that is under way.
    await this.#serial.run(id, async () => undefined);
    if (!isRunning(record)) return;
    const ended = this.#ledger.ended(id);
    if (graceMilliseconds > 0) {
      this.#signal(record, signalNumber(record.config.stopSignal) ?? 'SIGTERM');
      if (await this.#within(ended, graceMilliseconds)) return;
    }
    this.#killed.add(id);
    this.#signal(record, 'SIGKILL');
    if (!(await this.#within(ended, tellTimeout))) {
      await this.#setup.cgroups.kill(this.#group(this.#ledger.sandbox(record.sandboxId), id));
      await this.#within(ended, killTimeout);
    }
    if (record.exit === undefined) await this.#serial.run(id, () => this.#checkLost(record));
    if (record.exit === undefined)
      throw new RuntimeError('RunContainerError', `container ${id} does not end, even when killed`);
  }

  #signal(record: ContainerRecord, signal: NodeJS.Signals | number): void {
    if (record.pid !== undefined && isAlive(record.pid, record.pidStart)) killQuietly(record.pid, signal);
  }

  async #within(ended: Promise<void>, milliseconds: number): Promise<boolean> {
    let timer: { cancel(): void } | undefined;
    const late = new Promise<false>((resolve) => {
      timer = this.#setup.clock.after(milliseconds, () => resolve(false));
    });
    const result = await Promise.race([ended.then(() => true), late]);
    timer?.cancel();
    return result;
  }

  async removeContainer(id: string): Promise<void> {
    if (!this.#ledger.containers.has(id)) return;
    await this.stopContainer(id, 0);
    await this.#serial.run(id, () => this.#discard(id));
  }

  /** Removes all that a container may have left, whatever state its making or its end was in. */
  async #discard(id: string): Promise<void> {
    const { images, cgroups } = this.#setup;
    const record = this.#ledger.containers.get(id);
    await this.#closePump(id, true);
    for (const binary of this.#setup.binaries.values())
      if (binary.hasState(id)) await binary.run(['delete', '--force', id], runtimeTimeout);
    const pod = record && this.#ledger.sandboxes.get(record.sandboxId);
    if (pod) await cgroups.kill(this.#group(pod, id));
    await images.removeRootfs(id);
    if (pod) await cgroups.remove(this.#group(pod, id));
    await this.#exits.forget(id);
    this.#killed.delete(id);
    await this.#ledger.dropContainer(id);
  }

  async #discardSandbox(id: string): Promise<void> {
    await unmountSandbox(this.#ledger.sandboxDirectory(id), this.#setup.clock);
    await this.#setup.network.del(id);
    await rm(this.#ledger.sandboxDirectory(id), { recursive: true, force: true });
    this.#ledger.sandboxes.delete(id);
  }

  async containerStatus(id: string): Promise<ContainerStatus | undefined> {
    const record = this.#ledger.containers.get(id);
    return record && containerStatusOf(record);
  }

  /** Also notices programs that went without a word because their holder was killed. */
  async listContainers(): Promise<ContainerStatus[]> {
    for (const record of this.#ledger.containers.values())
      if (isRunning(record) && !isAlive(record.pid, record.pidStart) && !this.#holderAlive(record))
        await this.#serial.run(record.id, () => this.#checkLost(record));
    return [...this.#ledger.containers.values()].map(containerStatusOf);
  }

  async updateContainerResources(id: string, resources: Resources): Promise<void> {
    const record = this.#ledger.container(id);
    const group = this.#group(this.#ledger.sandbox(record.sandboxId), id);
    if (isRunning(record)) {
      await this.#setup.cgroups.watchMemory(group, resources.memoryLimit);
      await this.#setup.cgroups.limit(`${group}/c`, resources);
    }
    record.config.resources = { ...record.config.resources, ...resources };
    await this.#ledger.saveContainer(record);
  }

  async containerStats(id: string): Promise<ContainerStats | undefined> {
    const record = this.#ledger.containers.get(id);
    if (!record || !isRunning(record)) return undefined;
    return this.#setup.cgroups.stats(`${this.#group(this.#ledger.sandbox(record.sandboxId), id)}/c`);
  }

  async reopenContainerLog(id: string): Promise<void> {
    const record = this.#ledger.running(id);
    const pump = this.#pumps.get(id);
    if (pump) return pump.reopen();
    const control = join(this.#ledger.containerDirectory(id), 'ctl');
    const file = await open(control, constants.O_WRONLY | constants.O_NONBLOCK).catch((error: unknown) => {
      throw new RuntimeError(
        'RunContainerError',
        `the log of ${record.config.metadata.name} cannot be reopened: conmon is gone`,
        error,
      );
    });
    await file.write(reopenLog);
    await file.close();
  }

  async exec(
    id: string,
    options: { command: string[]; tty: boolean; signal?: AbortSignal },
    streams: Streams,
  ): Promise<number> {
    const record = this.#ledger.running(id);
    const binary = this.#binary(this.#ledger.sandbox(record.sandboxId).config.runtimeHandler);
    const base = join(this.#ledger.containerDirectory(id), `exec-${this.#setup.random.uuid()}`);
    const argv = binary.command(
      `--log=${base}.log`,
      '--log-format=json',
      'exec',
      '--pid-file',
      `${base}.pid`,
      ...(options.tty ? ['--tty'] : []),
      id,
      ...options.command,
    );
    const kill = () => {
      const pid = readNumber(`${base}.pid`);
      if (pid !== undefined) killQuietly(pid, 'SIGKILL');
    };
    try {
      const code = await execute(binary.wrap(argv), { ...options, clock: this.#setup.clock, kill }, streams);
      if (code !== 0 && readNumber(`${base}.pid`) === undefined)
        throw new RuntimeError('RunContainerError', runtimeProblem(readText(`${base}.log`), undefined));
      return code;
    } finally {
      await rm(`${base}.pid`, { force: true });
      await rm(`${base}.log`, { force: true });
    }
  }

  async attach(id: string, options: { tty: boolean; signal?: AbortSignal }, streams: Streams): Promise<void> {
    const { config } = this.#ledger.running(id);
    const target = {
      directory: this.#ledger.containerDirectory(id),
      config,
      pump: this.#pumps.get(id),
      ended: this.#ledger.ended(id),
      clock: this.#setup.clock,
    };
    await attachStreams(target, streams, options.signal);
  }

  async portForward(sandbox: string, port: number): Promise<Duplex> {
    const { netns, config, state } = this.#ledger.sandbox(sandbox);
    if (state !== 'Ready') throw new RuntimeError('RunContainerError', `sandbox ${sandbox} is not running`);
    if (config.hostNetwork || netns === undefined) return connectTo('localhost', port, this.#setup.clock);
    return connectInNamespace(netns, port, this.#setup.clock);
  }

  onEvent(listener: (event: ContainerEvent) => void): () => void {
    return this.#ledger.onEvent(listener);
  }

  async close(): Promise<void> {
    this.#exits.close();
    await Promise.all([...this.#pumps.keys()].map((id) => this.#closePump(id, false)));
  }

  #binary(handler: string) {
    const binary = this.#setup.binaries.get(handler);
    if (binary) return binary;
    const known = this.handlers.length > 0 ? this.handlers.join(', ') : 'none';
    throw new RuntimeError(
      'CreatePodSandboxError',
      `no runtime for handler "${handler}" is configured; known handlers: ${known}`,
    );
  }

  #group(pod: SandboxRecord, id: string): string {
    return `${podCgroup(this.#setup.cgroupParent, pod.config)}/${id}`;
  }

  #held({ id, config }: ContainerRecord): HeldContainer {
    const { logPath, stdin, tty } = config;
    return {
      id,
      directory: this.#ledger.containerDirectory(id),
      logPath,
      exitDirectory: this.#exits.directory,
      stdin,
      tty,
    };
  }

  #pump(record: ContainerRecord): void {
    const pump = new LogPump(this.#ledger.containerDirectory(record.id), record.config.logPath, this.#setup.clock);
    this.#pumps.set(record.id, pump);
    pump.start();
  }

  async #closePump(id: string, ended: boolean): Promise<void> {
    const pump = this.#pumps.get(id);
    this.#pumps.delete(id);
    await pump?.close(ended);
  }

  #ended(exit: Exit): Promise<void> {
    return this.#serial.run(exit.id, async () => {
      const record = this.#ledger.containers.get(exit.id);
      if (!record || record.exit || !record.launched) return;
      await this.#settle(record, exit.code, this.#setup.clock.now());
    });
  }

  /** Writes down how a container ended. */
  async #settle(record: ContainerRecord, code: number, finishedAt: number): Promise<void> {
    await this.#closePump(record.id, true);
    const pod = this.#ledger.sandbox(record.sandboxId);
    const group = this.#group(pod, record.id);
    const outOfMemory =
      !this.#killed.has(record.id) && code === 137 && (await this.#setup.cgroups.wasOutOfMemory(group));
    // Where the process namespace is not its own, its program's children outlive it.
    await this.#setup.cgroups.kill(group);
    const reason = outOfMemory ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error';
    await this.#ledger.setExit(record, { code, finishedAt, reason, message: '' });
  }

  #holderAlive({ id }: ContainerRecord): boolean {
    const holder = readNumber(join(this.#ledger.containerDirectory(id), files.holder));
    return holder !== undefined && (readText(`/proc/${holder}/cmdline`) ?? '').includes(id);
  }

  async #checkLost(record: ContainerRecord): Promise<void> {
    if (record.exit || isAlive(record.pid, record.pidStart)) return;
    const exit = this.#exits.read(record.id);
    if (exit) return this.#settle(record, exit.code, this.#setup.clock.now());
    await this.#closePump(record.id, true);
    const message =
      record.boot === this.#boot ? 'its exit code was lost: what held it was killed' : 'the machine was restarted';
    await this.#ledger.setExit(record, {
      code: lostCode,
      finishedAt: this.#setup.clock.now(),
      reason: 'Error',
      message,
    });
  }

  /** After a restart of ours: what became of a container meanwhile. */
  async #findAgain(id: string): Promise<void> {
    const record = this.#ledger.containers.get(id);
    if (!record || record.exit || !record.launched) return;
    if (record.holder === 'sh') this.#pump(record);
    if (record.pid === undefined && record.boot === this.#boot) await this.#adopt(record);
    const exit = this.#exits.read(id);
    if (exit) return this.#settle(record, exit.code, exit.at);
    if (record.pid !== undefined && isAlive(record.pid, record.pidStart)) return;
    if (this.#holderAlive(record)) return;
    await this.#checkLost(record);
  }

  /** We were killed between launching it and writing down its process. Its holder knows. */
  async #adopt(record: ContainerRecord): Promise<void> {
    const pid = readNumber(join(this.#ledger.containerDirectory(record.id), files.pid));
    if (pid === undefined || !(readText(`/proc/${pid}/cgroup`) ?? '').includes(record.id)) return;
    record.pid = pid;
    record.pidStart = processStart(pid);
    record.startedAt = this.#setup.clock.now();
    await this.#ledger.saveContainer(record);
  }
}
