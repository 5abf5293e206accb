/**
 * The driver `process`: containers are plain processes of whoever runs Glasshouse. No privileges, any system.
 *
 * Where Linux lets a user make namespaces, a program runs inside its image's root filesystem, with processes and mounts of
 * its own, as a root that is only this user. Elsewhere it runs on the host's filesystem: its command is looked for in the
 * unpacked image and then on the host, it begins in the image's working directory, and volumes are symbolic links in the
 * unpacked image, so programs find them by relative paths only.
 *
 * What it cannot do, and leaves undone: limits of CPU and memory (they are not enforced), users and capabilities
 * (`runAsUser`, `capabilities` and `privileged` change nothing), sysctls, seccomp, shared process namespaces. All pods share
 * the host's network: a pod's address is a loopback address of its own, given to its programs as `POD_IP` and `HOST`; programs
 * that listen there do not collide with other pods'.
 */
import { access, lstat, mkdir, readFile, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock, Random } from '../../../machinery/index.ts';
import { killQuietly, runCommand } from '../command.ts';
import { execute } from '../execute.ts';
import { findProgram } from '../findprogram.ts';
import { type HeldOptions, HeldRuntime, type Preparation } from '../held.ts';
import { type HeldContainer, files } from '../holder.ts';
import { isRunning } from '../ledger.ts';
import { environmentOf } from '../environment.ts';
import { podFileMounts, writePodFiles } from '../podfiles.ts';
import { connectTo } from '../portforward.ts';
import { readText } from '../procfs.ts';
import type { ContainerRecord, SandboxRecord } from '../records.ts';
import { mkdirInRoot, resolveInRoot } from '../rootpath.ts';
import { type ContainerStats, type Mount, RuntimeError, type SandboxConfig, type Streams } from '../runtime.ts';
import { startShim } from '../shim.ts';
import { readNumber } from '../waitfile.ts';
import { findInRoot, findOnHost } from './lookup.ts';
import { makeDevices, makeTarget } from './devices.ts';
import {
  type Binding,
  type Program,
  type Tools,
  enteredScript,
  hostScript,
  insideScript,
  mountTable,
  mountTableOf,
} from './script.ts';
import { processTree, sessionMembers, treeStats } from './tree.ts';

const namespaces = ['--user', '--map-root-user', '--mount', '--uts', '--pid'];
/** The first child becomes process 1. Not unshare's own fork: it loses the code of a program that was killed. */
const runFirst = 'exec 3>&2 2>/dev/null; (exec sh "$1" 2>&3 3>&-); exit $?';
const runFile = 'run.sh';
const programFile = 'program.json';

export interface ProcessOptions extends HeldOptions {
  random: Random;
  /** Absent: enter root filesystems where this machine lets us. */
  enterRootfs?: boolean;
}

/** Looks whether this machine lets us make namespaces. */
export async function processRuntime(options: ProcessOptions): Promise<ProcessRuntime> {
  const tools = { nsenter: (await findProgram('nsenter')) ?? 'nsenter', env: (await findProgram('env')) ?? 'env' };
  return new ProcessRuntime(options, tools, options.enterRootfs ?? (await canEnter(options.clock)));
}

async function canEnter(clock: Clock): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const attempt = ['unshare', ...namespaces, 'sh', '-c', '(mount -t tmpfs tmpfs /tmp && nsenter --version); exit $?'];
  const result = await runCommand(attempt, { clock, timeout: 5000 }).catch(() => undefined);
  return result?.code === 0;
}

export class ProcessRuntime extends HeldRuntime {
  readonly name = 'process';
  readonly handlers: readonly string[] = [];
  /** Whether programs run inside their image's root filesystem. */
  readonly entersRootfs: boolean;
  readonly #options: ProcessOptions;
  readonly #tools: Tools;

  constructor(options: ProcessOptions, tools: Tools, entersRootfs: boolean) {
    super(options);
    this.#options = options;
    this.#tools = tools;
    this.entersRootfs = entersRootfs;
  }

  async version(): Promise<string> {
    return this.entersRootfs ? 'processes in user namespaces' : 'processes';
  }

  protected admit({ runtimeHandler }: SandboxConfig): void {
    if (runtimeHandler === '') return;
    const message = `no runtime for handler "${runtimeHandler}" is configured: the runtime "process" has none`;
    throw new RuntimeError('CreatePodSandboxError', message);
  }

  protected async makePod(record: SandboxRecord): Promise<void> {
    await writePodFiles(this.ledger.sandboxDirectory(record.id), record.config, record.ips);
  }

  protected async removePod(): Promise<void> {}
  protected async removeUnknownPod(): Promise<void> {}

  protected async prepare({ directory, pod, config, image, rootfs }: Preparation): Promise<'sh'> {
    const inside = config.workingDir || image.workingDir || '/';
    const real = await mkdirInRoot(rootfs, inside);
    const address = pod.ips[0];
    const { hostname } = pod.config;
    const env = environmentOf(config, image, hostname, '/', address ? { HOST: address, POD_IP: address } : {});
    const podFiles = podFileMounts(this.ledger.sandboxDirectory(pod.id), false);
    const own = new Set(config.mounts.map(({ containerPath }) => containerPath));
    const mounts = [...podFiles.filter(({ containerPath }) => !own.has(containerPath)), ...config.mounts];
    const program = { directory, rootfs, workingDir: inside, hostname, command: config.command, env };
    if (this.entersRootfs) {
      const dev = join(directory, 'dev');
      const bindings = await makeDevices(dev, rootfs);
      for (const mount of mounts) bindings.push(await bindingFor(rootfs, dev, mount));
      await writeFile(join(directory, mountTable), mountTableOf(bindings));
      await this.#write(directory, enteredScript(program, bindings, this.#tools), program);
    } else {
      for (const mount of mounts) await linkFor(rootfs, mount);
      const path = [
        ...pathOf(env)
          .split(':')
          .map((part) => join(rootfs, part)),
        process.env['PATH'] ?? '',
      ].join(':');
      const onHost = {
        ...program,
        workingDir: real,
        env: [...env.filter(([name]) => name !== 'PATH'), ['PATH', path] as [string, string]],
      };
      await this.#write(
        directory,
        hostScript({ ...onHost, command: await this.#commandOnHost(onHost) }, this.#tools, true),
        onHost,
      );
    }
    return 'sh';
  }

  async #write(directory: string, script: string, program: Program): Promise<void> {
    await writeFile(join(directory, runFile), script, { mode: 0o600 });
    await writeFile(join(directory, programFile), JSON.stringify(program), { mode: 0o600 });
  }

  async #program(id: string): Promise<Program> {
    return JSON.parse(await readFile(join(this.ledger.containerDirectory(id), programFile), 'utf8')) as Program;
  }

  /** The command with its program's place on the host; as it stands when there is none, for `launch` to say so. */
  async #commandOnHost({ rootfs, command, env }: Program): Promise<string[]> {
    const [name = '', ...rest] = command;
    return [(await findOnHost(rootfs, name, imagePath(rootfs, env), '/')) ?? name, ...rest];
  }

  protected async launch({ id }: ContainerRecord, _: SandboxRecord, held: HeldContainer): Promise<number> {
    const program = await this.#program(id);
    const { rootfs, command, workingDir } = program;
    const name = command[0] ?? '';
    const place = this.entersRootfs
      ? await findInRoot(rootfs, name, pathOf(program.env), workingDir)
      : await findOnHost(rootfs, name, imagePath(rootfs, program.env), '/');
    if (place === undefined)
      throw new Error(
        `exec: "${name}": executable file not found in the image${this.entersRootfs ? '' : ' or on the host'}`,
      );
    const script = ['sh', join(held.directory, runFile)];
    const argv = this.entersRootfs ? ['unshare', ...namespaces, 'sh', '-c', runFirst, ...script] : script;
    const pid = await startShim(held, argv, { clock: this.#options.clock });
    if (pid !== undefined) return pid;
    throw new Error(
      (readText(join(held.directory, files.stderr)) ?? '').trim().slice(0, 1000) || 'it ended before it ran',
    );
  }

  protected async killAll({ id, pid }: ContainerRecord): Promise<void> {
    if (this.entersRootfs) return void (pid !== undefined && killQuietly(pid, 'SIGKILL'));
    const holder = readNumber(join(this.ledger.containerDirectory(id), files.holder));
    const sessions = [holder, pid].filter((each) => each !== undefined);
    for (const member of await sessionMembers(sessions, this.#options.clock))
      if (member !== holder) killQuietly(member, 'SIGKILL');
  }

  protected async wasOutOfMemory(): Promise<boolean> {
    return false;
  }

  protected async removeRest(): Promise<void> {}
  protected async applyResources(): Promise<void> {}
  protected async reopenHeldLog(): Promise<void> {}

  async containerStats(id: string): Promise<ContainerStats | undefined> {
    const record = this.ledger.containers.get(id);
    if (!record || !isRunning(record) || record.pid === undefined) return undefined;
    return treeStats(record.pid, this.#options.clock);
  }

  async exec(
    id: string,
    options: { command: string[]; tty: boolean; signal?: AbortSignal },
    streams: Streams,
  ): Promise<number> {
    const { pid = 0 } = this.ledger.running(id);
    const { clock, random } = this.#options;
    const program = { ...(await this.#program(id)), command: options.command };
    const [name = ''] = options.command;
    const { rootfs, env, workingDir } = program;
    const place = this.entersRootfs
      ? await findInRoot(rootfs, name, pathOf(env), workingDir)
      : await findOnHost(rootfs, name, imagePath(rootfs, env), '/');
    if (place === undefined) throw new RuntimeError('RunContainerError', `exec: "${name}": executable file not found`);
    const onHost = { ...program, command: await this.#commandOnHost(program) };
    const script = this.entersRootfs ? insideScript(program, pid, this.#tools) : hostScript(onHost, this.#tools, false);
    const path = join(this.ledger.containerDirectory(id), `exec-${random.uuid()}.sh`);
    await writeFile(path, script, { mode: 0o600 });
    const kill = async (launcher: number) => {
      for (const member of (await processTree(launcher, clock)).toReversed()) killQuietly(member, 'SIGKILL');
    };
    try {
      return await execute(['sh', path], { ...options, clock, kill }, streams);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** To the pod's own address, else to the loopback address that all pods share. */
  async portForward(sandbox: string, port: number): Promise<Duplex> {
    const { ips, state } = this.ledger.sandbox(sandbox);
    if (state !== 'Ready') throw new RuntimeError('RunContainerError', `sandbox ${sandbox} is not running`);
    const { clock } = this.#options;
    const own = ips[0];
    if (own === undefined) return connectTo('localhost', port, clock);
    return connectTo(own, port, clock).catch(() => connectTo('localhost', port, clock));
  }
}

function pathOf(env: Program['env']): string {
  return env.find(([name]) => name === 'PATH')?.[1] ?? '';
}

/** The image's own search path out of one that was made for the host. */
function imagePath(rootfs: string, env: Program['env']): string {
  const inside = pathOf(env)
    .split(':')
    .filter((part) => part.startsWith(rootfs));
  return inside.map((part) => part.slice(rootfs.length) || '/').join(':');
}

async function bindingFor(rootfs: string, dev: string, mount: Mount): Promise<Binding> {
  const { hostPath: source, containerPath, readOnly } = mount;
  await mustExist(mount);
  const target = await resolveInRoot(rootfs, containerPath);
  // What lies below /dev is made where /dev will come from.
  const below = relative(join(rootfs, 'dev'), target);
  await makeTarget(source, below.startsWith('..') ? target : join(dev, below));
  return { source, target, readOnly };
}

async function mustExist({ hostPath, containerPath }: Mount): Promise<void> {
  await access(hostPath).catch((error: unknown) => {
    const message = `cannot mount ${hostPath} at ${containerPath}: it does not exist`;
    throw new RuntimeError('CreateContainerError', message, error);
  });
}

/** A symbolic link where the volume would be mounted, if nothing of the image is in its place. */
async function linkFor(rootfs: string, mount: Mount): Promise<void> {
  const { hostPath, containerPath } = mount;
  await mustExist(mount);
  const target = join(
    await resolveInRoot(rootfs, dirname(containerPath)),
    containerPath.split('/').findLast((part) => part !== '') ?? '',
  );
  await mkdir(dirname(target), { recursive: true });
  const there = await lstat(target).catch(() => undefined);
  if (there?.isDirectory()) await removeEmpty(target, containerPath);
  else if (there) await rm(target);
  await symlink(hostPath, target);
}

async function removeEmpty(target: string, containerPath: string): Promise<void> {
  await rmdir(target).catch((error: unknown) => {
    const message = `cannot put a volume at ${containerPath}: the image has files there, and without user namespaces nothing can be mounted over them; use another path, or the runtime "oci"`;
    throw new RuntimeError('CreateContainerError', message, error);
  });
}
