/**
 * With `shareProcessNamespace`, something must be process 1 for all the containers of a pod: a shell that only waits, in a
 * container whose root holds nothing but that shell, what it needs to run, and `sleep`; so a container that may look
 * into other processes finds nothing of the host there.
 */
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { mustRun, runCommand } from '../command.ts';
import { findProgram } from '../findprogram.ts';
import { readNumber } from '../waitfile.ts';
import type { RuntimeBinary } from './binary.ts';

const timeout = 30_000;
/** `wait` also collects the orphans that end up with process 1. */
const script = 'trap "exit 0" TERM; while :; do sleep 2147483647 & wait; done';

export interface NamespaceHolderInput {
  id: string;
  directory: string;
  group: string;
  clock: Clock;
}

/** Returns the process whose namespace the containers join. */
export async function startNamespaceHolder(binary: RuntimeBinary, input: NamespaceHolderInput): Promise<number> {
  const bundle = join(input.directory, 'holder');
  for (const name of ['dev', 'proc']) await mkdir(join(bundle, 'rootfs', name), { recursive: true });
  const programs = [(await findProgram('sh')) ?? '/bin/sh', (await findProgram('sleep')) ?? '/bin/sleep'];
  const libraries = await librariesOf(programs, input.clock);
  const pidFile = join(bundle, 'pid');
  await writeFile(join(bundle, 'config.json'), JSON.stringify(specOf(programs, libraries, input.group)));
  await mkdir(binary.root, { recursive: true, mode: 0o700 });
  const argv = binary.wrap(binary.command('run', '--detach', '--pid-file', pidFile, '--bundle', bundle, input.id));
  const { code, stderr } = await runCommand(argv, { clock: input.clock, timeout, detached: true });
  const pid = readNumber(pidFile);
  if (code !== 0 || pid === undefined) throw new Error(`cannot hold the pod's process namespace: ${stderr.trim()}`);
  return pid;
}

function bind(source: string, destination: string) {
  return { source, destination, type: 'bind', options: ['bind', 'ro'] };
}

function specOf(programs: string[], libraries: string[], group: string): Record<string, unknown> {
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 65_534, gid: 65_534 },
      args: ['/bin/sh', '-c', script],
      env: ['PATH=/bin'],
      cwd: '/',
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    },
    root: { path: 'rootfs', readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=64k'] },
      ...programs.map((path, index) => bind(path, index === 0 ? '/bin/sh' : '/bin/sleep')),
      ...libraries.map((path) => bind(path, path)),
    ],
    linux: {
      namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'network' }, { type: 'ipc' }, { type: 'uts' }],
      cgroupsPath: `${group}/holder`,
      resources: { pids: { limit: 64 } },
    },
  };
}

/** The shared libraries and the loader of some programs, at the paths under which they look for them. */
async function librariesOf(programs: string[], clock: Clock): Promise<string[]> {
  const found = new Set<string>();
  for (const program of programs) {
    const listed = await mustRun(['ldd', await realpath(program)], { clock, timeout }).catch(() => '');
    for (const [, path] of listed.matchAll(/(?:=>\s+|^\s+)(\/\S+)/gm)) if (path) found.add(path);
  }
  return [...found];
}
