/** The driver `oci`: containers by crun, runc or any other OCI runtime's command line. */
import { constants } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { podCgroup } from '../cgroups.ts';
import { killQuietly } from '../command.ts';
import { execute } from '../execute.ts';
import { HeldRuntime, type Preparation } from '../held.ts';
import { type HeldContainer, files } from '../holder.ts';
import { isRunning } from '../ledger.ts';
import { connectInNamespace, connectTo } from '../portforward.ts';
import { readText } from '../procfs.ts';
import type { ContainerRecord, SandboxRecord } from '../records.ts';
import { type ContainerStats, type Resources, RuntimeError, type SandboxConfig, type Streams } from '../runtime.ts';
import { startShim } from '../shim.ts';
import { readNumber } from '../waitfile.ts';
import type { RuntimeBinary } from './binary.ts';
import { writeBundle } from './bundle.ts';
import { conmonHolder, reopenLog } from './conmon.ts';
import { startNamespaceHolder } from './namespaceholder.ts';
import { runtimeProblem } from './problem.ts';
import { makeSandbox, unmountSandbox } from './sandbox.ts';
import type { OciSetup } from './options.ts';

const runtimeTimeout = 30_000;

export class OciRuntime extends HeldRuntime {
  readonly name = 'oci';
  readonly handlers: readonly string[];
  readonly #setup: OciSetup;

  constructor(setup: OciSetup) {
    super(setup);
    this.#setup = setup;
    this.handlers = [...setup.binaries.keys()].filter((handler) => handler !== '');
  }

  async version(): Promise<string> {
    return this.#binary('').version();
  }

  protected admit({ runtimeHandler }: SandboxConfig): void {
    this.#binary(runtimeHandler);
  }

  protected async makePod(record: SandboxRecord): Promise<void> {
    const { id, config } = record;
    const { clock, cgroups, cgroupParent, podPidsLimit } = this.#setup;
    const directory = this.ledger.sandboxDirectory(id);
    const group = podCgroup(cgroupParent, config);
    await cgroups.ensure(group, { pidsLimit: podPidsLimit, ...config.resources });
    await makeSandbox(directory, config, record, clock);
    if (!config.shareProcessNamespace || config.hostPID) return;
    record.holderPid = await startNamespaceHolder(this.#binary(config.runtimeHandler), { id, directory, group, clock });
  }

  protected async removePod({ id, config }: SandboxRecord): Promise<void> {
    const { cgroups, cgroupParent } = this.#setup;
    await this.removeUnknownPod(id);
    await cgroups.remove(podCgroup(cgroupParent, config));
  }

  protected async removeUnknownPod(id: string): Promise<void> {
    await this.#deleteState(id);
    await unmountSandbox(this.ledger.sandboxDirectory(id), this.#setup.clock);
  }

  protected async prepare({ id, directory, pod, config, image, rootfs }: Preparation): Promise<'conmon' | 'sh'> {
    const { conmon, seccompDirectory, limitSwap } = this.#setup;
    await writeBundle({
      directory,
      sandboxDirectory: this.ledger.sandboxDirectory(pod.id),
      sandbox: pod,
      container: config,
      image,
      rootfs,
      cgroupsPath: `${this.#group(pod, id)}/c`,
      seccompDirectory,
      limitSwap,
    });
    return conmon !== undefined && !config.stdin && !config.tty ? 'conmon' : 'sh';
  }

  protected async launch(record: ContainerRecord, pod: SandboxRecord, held: HeldContainer): Promise<number> {
    const { cgroups, clock, conmon } = this.#setup;
    const { id, config } = record;
    const group = this.#group(pod, id);
    await cgroups.ensure(group, {});
    await cgroups.watchMemory(group, config.resources.memoryLimit);
    const runtime = this.#binary(pod.config.runtimeHandler);
    await mkdir(runtime.root, { recursive: true, mode: 0o700 });
    const sharedMounts = config.mounts.some(({ propagation }) => propagation === 'Bidirectional');
    if (record.holder === 'conmon' && conmon) return conmonHolder({ conmon, runtime, clock, sharedMounts }).start(held);
    const path = (name: string) => join(held.directory, name);
    const logging = [`--log=${path(files.runtimeLog)}`, '--log-format=json'];
    const run = ['run', '--pid-file', path(files.pid), '--bundle', held.directory, id];
    const pid = await startShim(held, runtime.wrap(runtime.command(...logging, ...run), sharedMounts), { clock });
    if (pid !== undefined) return pid;
    throw new Error(runtimeProblem(readText(path(files.runtimeLog)), readText(path(files.stderr))));
  }

  protected async killAll({ id }: ContainerRecord, pod: SandboxRecord): Promise<void> {
    await this.#setup.cgroups.kill(this.#group(pod, id));
  }

  protected async wasOutOfMemory({ id }: ContainerRecord, pod: SandboxRecord): Promise<boolean> {
    return this.#setup.cgroups.wasOutOfMemory(this.#group(pod, id));
  }

  protected async removeRest(id: string, record: ContainerRecord | undefined): Promise<void> {
    await this.#deleteState(id);
    const pod = record && this.ledger.sandboxes.get(record.sandboxId);
    if (!pod) return;
    await this.#setup.cgroups.kill(this.#group(pod, id));
    await this.#setup.cgroups.remove(this.#group(pod, id));
  }

  protected async applyResources({ id, sandboxId }: ContainerRecord, resources: Resources): Promise<void> {
    const group = this.#group(this.ledger.sandbox(sandboxId), id);
    await this.#setup.cgroups.watchMemory(group, resources.memoryLimit);
    await this.#setup.cgroups.limit(`${group}/c`, resources);
  }

  protected async reopenHeldLog({ id, config }: ContainerRecord): Promise<void> {
    const control = join(this.ledger.containerDirectory(id), 'ctl');
    const file = await open(control, constants.O_WRONLY | constants.O_NONBLOCK).catch((error: unknown) => {
      const message = `the log of ${config.metadata.name} cannot be reopened: conmon is gone`;
      throw new RuntimeError('RunContainerError', message, error);
    });
    await file.write(reopenLog);
    await file.close();
  }

  async containerStats(id: string): Promise<ContainerStats | undefined> {
    const record = this.ledger.containers.get(id);
    if (!record || !isRunning(record)) return undefined;
    return this.#setup.cgroups.stats(`${this.#group(this.ledger.sandbox(record.sandboxId), id)}/c`);
  }

  async exec(
    id: string,
    options: { command: string[]; tty: boolean; signal?: AbortSignal },
    streams: Streams,
  ): Promise<number> {
    const record = this.ledger.running(id);
    const binary = this.#binary(this.ledger.sandbox(record.sandboxId).config.runtimeHandler);
    const base = join(this.ledger.containerDirectory(id), `exec-${this.#setup.random.uuid()}`);
    const [log, pidFile] = [`${base}.log`, `${base}.pid`];
    const words = ['exec', '--pid-file', pidFile, ...(options.tty ? ['--tty'] : []), id, ...options.command];
    const argv = binary.wrap(binary.command(`--log=${log}`, '--log-format=json', ...words));
    const kill = async () => {
      const pid = readNumber(pidFile);
      if (pid !== undefined) killQuietly(pid, 'SIGKILL');
    };
    try {
      const code = await execute(argv, { ...options, clock: this.#setup.clock, kill }, streams);
      if (code === 0 || readNumber(pidFile) !== undefined) return code;
      throw new RuntimeError('RunContainerError', runtimeProblem(readText(log), undefined));
    } finally {
      await rm(pidFile, { force: true });
      await rm(log, { force: true });
    }
  }

  async portForward(sandbox: string, port: number): Promise<Duplex> {
    const { netns, config, state } = this.ledger.sandbox(sandbox);
    if (state !== 'Ready') throw new RuntimeError('RunContainerError', `sandbox ${sandbox} is not running`);
    if (config.hostNetwork || netns === undefined) return connectTo('localhost', port, this.#setup.clock);
    return connectInNamespace(netns, port, this.#setup.clock);
  }

  #binary(handler: string): RuntimeBinary {
    const binary = this.#setup.binaries.get(handler);
    if (binary) return binary;
    const known = this.handlers.length > 0 ? this.handlers.join(', ') : 'none';
    const message = `no runtime for handler "${handler}" is configured; known handlers: ${known}`;
    throw new RuntimeError('CreatePodSandboxError', message);
  }

  #group(pod: SandboxRecord, id: string): string {
    return `${podCgroup(this.#setup.cgroupParent, pod.config)}/${id}`;
  }

  async #deleteState(id: string): Promise<void> {
    for (const binary of this.#setup.binaries.values())
      if (binary.hasState(id)) await binary.run(['delete', '--force', id], runtimeTimeout);
  }
}
