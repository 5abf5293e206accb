/**
 * RUN in a Dockerfile: one command in the stage's files, in a container of its own. It has the machine's network, as it is there to
 * fetch things, and nothing else of the machine.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveUser } from '../kubelet/index.ts';
import type { RunCommand, RunRequest } from '../layers/images/index.ts';

const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'SETFCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
].map((name) => `CAP_${name}`);

/** `program` is crun or runc. */
export function runWith(program: string): RunCommand {
  return async (request) => {
    const bundle = await mkdtemp(join(tmpdir(), 'glass-build-'));
    const id = `glass-build-${randomUUID()}`;
    try {
      await mkdir(join(bundle, 'state'));
      await writeFile(join(bundle, 'config.json'), JSON.stringify(await specOf(request)));
      return await run([program, '--root', join(bundle, 'state'), 'run', '--bundle', bundle, id], request);
    } finally {
      await rm(bundle, { recursive: true, force: true });
    }
  };
}

function run([program = '', ...args]: string[], { onOutput, signal }: RunRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    // crun 1.8 does not start where an almost empty v2 tree is mounted beside v1: it need not see any of it
    const child = spawn(
      'unshare',
      ['-m', 'sh', '-c', 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', 'sh', program, ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env.PATH },
        cwd: '/',
        signal,
      },
    );
    child.stdout.on('data', (chunk: Buffer) => onOutput(String(chunk)));
    child.stderr.on('data', (chunk: Buffer) => onOutput(String(chunk)));
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 137));
  });
}

async function specOf({ rootfs, argv, env, cwd, user }: RunRequest): Promise<unknown> {
  const { uid, gid, additionalGids } = await resolveUser(rootfs, {}, user);
  const all = { bounding: capabilities, effective: capabilities, permitted: capabilities };
  const bind = (file: string) => ({ destination: file, source: file, type: 'bind', options: ['bind', 'ro'] });
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid, gid, additionalGids },
      args: argv,
      env,
      cwd,
      capabilities: uid === 0 ? all : { bounding: capabilities },
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: false },
    hostname: 'build',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
      },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777'] },
      bind('/etc/resolv.conf'),
    ],
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list'],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}
