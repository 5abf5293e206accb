/** What the driver `oci` needs of the machine, looked for once. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Random } from '../../../machinery/index.ts';
import { Cgroups, detectCgroups } from '../cgroups.ts';
import { findProgram } from '../findprogram.ts';
import { bootId } from '../procfs.ts';
import { RuntimeError } from '../runtime.ts';
import type { ImageService, PodNetwork } from '../services.ts';
import { RuntimeBinary } from './binary.ts';
import { OciRuntime } from './runtime.ts';

export interface OciOptions {
  /** All that the driver keeps is below it. */
  directory: string;
  /** Programs (names on the PATH, or paths) by RuntimeClass handler; '' is the default: crun, else runc. */
  runtimes?: Record<string, string>;
  /** conmon's path; false: the `sh` shim holds every container. Absent: conmon where it is on the PATH. */
  conmon?: string | false;
  images: ImageService;
  network: PodNetwork;
  clock: Clock;
  random: Random;
  /** Told of what failed behind the verbs, such as a log that cannot be written. */
  warn?: (message: string) => void;
  /** The cgroup above all pods. Two drivers on one machine need different ones. */
  cgroupParent?: string;
  /** Processes and threads of one pod: contains a fork bomb, and leaves room for programs with many threads. */
  podPidsLimit?: number;
  /** Where `Localhost` seccomp profiles lie. */
  seccompDirectory?: string;
}

export interface OciSetup {
  directory: string;
  binaries: Map<string, RuntimeBinary>;
  conmon: string | undefined;
  images: ImageService;
  network: PodNetwork;
  clock: Clock;
  random: Random;
  warn?: (message: string) => void;
  cgroups: Cgroups;
  cgroupParent: string;
  podPidsLimit: number;
  seccompDirectory: string;
  limitSwap: boolean;
}

const defaultPidsLimit = 4096;

/** Rejects with `NotSupported` and what to install or change when this machine cannot run containers. */
export async function ociRuntime(options: OciOptions): Promise<OciRuntime> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new RuntimeError('NotSupported', 'the runtime "oci" needs root on Linux; use the runtime "process" instead');
  const layout = detectCgroups();
  if (!layout)
    throw new RuntimeError(
      'NotSupported',
      'no control groups are mounted at /sys/fs/cgroup; the runtime "oci" needs them',
    );
  await forgetOtherBoot(options.directory);
  const { images, network, clock, random, directory } = options;
  return new OciRuntime({
    directory,
    images,
    network,
    clock,
    random,
    ...(options.warn && { warn: options.warn }),
    conmon: options.conmon === false ? undefined : await findProgram(options.conmon ?? 'conmon'),
    binaries: await findBinaries(options, (path, root) => new RuntimeBinary(path, root, layout, clock)),
    cgroups: new Cgroups(layout),
    cgroupParent: options.cgroupParent ?? '/glasshouse',
    podPidsLimit: options.podPidsLimit ?? defaultPidsLimit,
    seccompDirectory: options.seccompDirectory ?? '/var/lib/kubelet/seccomp',
    limitSwap: layout.version === 2,
  });
}

async function findBinaries(
  { runtimes = {}, directory }: OciOptions,
  make: (path: string, root: string) => RuntimeBinary,
): Promise<Map<string, RuntimeBinary>> {
  const found = new Map<string, RuntimeBinary>();
  const asked: Record<string, string> = { '': (await findProgram('crun')) ? 'crun' : 'runc', ...runtimes };
  for (const [handler, program] of Object.entries(asked)) {
    const path = await findProgram(program);
    if (!path) {
      const of = handler === '' ? '' : ` of RuntimeClass handler "${handler}"`;
      throw new RuntimeError(
        'NotSupported',
        `the OCI runtime "${program}"${of} is not installed: install crun or runc (such as \`apt install crun\`)`,
      );
    }
    found.set(handler, make(path, join(directory, 'state', handler === '' ? 'default' : `handler-${handler}`)));
  }
  return found;
}

/** A runtime's state speaks of processes; after a boot there are none, and the numbers mean others. */
async function forgetOtherBoot(directory: string): Promise<void> {
  const path = join(directory, 'boot');
  const now = bootId();
  const before = existsSync(path) ? await readFile(path, 'utf8') : '';
  if (before === now) return;
  await rm(join(directory, 'state'), { recursive: true, force: true });
  await rm(join(directory, 'exits'), { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o711 });
  await writeFile(path, now);
}
