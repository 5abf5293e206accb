/** What the driver `oci` needs of the machine, looked for once. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cgroups, detectCgroups } from '../cgroups.ts';
import { findProgram } from '../findprogram.ts';
import { bootId } from '../procfs.ts';
import { RuntimeError } from '../runtime.ts';
import { RuntimeBinary } from './binary.ts';
import type { OciOptions } from './options.ts';
import { OciRuntime } from './runtime.ts';

export type { OciOptions } from './options.ts';

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
