/** What the drivers' tests run on: real time, an image made of the machine's busybox, networks without a way out. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { type Clock, type Random, randomFrom } from '../../../machinery/index.ts';
import type { ContainerConfig, Runtime, SandboxConfig } from '../runtime.ts';
import type { Image, ImageService, PodNetwork } from '../services.ts';

const run = promisify(execFile);
const busybox = '/bin/busybox';
const applets =
  'sh grep sleep echo cat env id ls mount hostname stty tty httpd dd head seq ps kill test true false touch wc yes stat ipcs printf'.split(
    ' ',
  );

export const testImage = 'example.test/busybox:1';

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(milliseconds, call) {
    const timer = setInterval(call, milliseconds);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

export const realRandom: Random = randomFrom(Math.random);

/** Why the tests that need it cannot run; undefined when they can. */
export function missingBusybox(): string | undefined {
  return existsSync(busybox) ? undefined : 'needs /bin/busybox (Debian: busybox-static)';
}

export function whyNoOci(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  return missingBusybox();
}

/** An image service that holds one image and copies it for each container. */
export function busyboxImages(directory: string): ImageService {
  const image: Image = {
    id: 'sha256:busybox',
    repoDigests: [],
    repoTags: [testImage],
    size: 1,
    entrypoint: [],
    cmd: ['sh'],
    env: ['FROM_IMAGE=yes', 'PATH=/bin'],
    workingDir: '',
    user: '',
    stopSignal: '',
    labels: {},
    exposedPorts: [],
  };
  const status = async (reference: string) => (reference === testImage ? image : undefined);
  const rootfs = (id: string) => join(directory, 'rootfs', id);
  return {
    pullImage: async () => image,
    imageStatus: status,
    listImages: async () => [image],
    removeImage: async () => undefined,
    async prepareRootfs(_, id) {
      const root = rootfs(id);
      if (existsSync(join(root, 'bin/sh'))) return root;
      for (const name of ['bin', 'etc', 'tmp', 'proc', 'dev', 'sys', 'var'])
        await mkdir(join(root, name), { recursive: true });
      await cp(busybox, join(root, 'bin/busybox'));
      await writeFile(
        join(root, 'etc/passwd'),
        'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n',
      );
      await writeFile(join(root, 'etc/group'), 'root:x:0:\nalice:x:1001:\nextra:x:2000:alice\n');
      for (const name of applets) await symlink('busybox', join(root, 'bin', name)).catch(() => undefined);
      return root;
    },
    removeRootfs: async (id) => rm(rootfs(id), { recursive: true, force: true }),
  };
}

/** Network namespaces with nothing but loopback. */
export function isolatedNetwork(directory: string): PodNetwork {
  const path = (id: string) => join(directory, 'netns', id);
  const addresses = (id: string) => ({ ips: ['127.0.0.1'], netns: path(id) });
  return {
    async add({ id }) {
      if (existsSync(path(id))) return addresses(id);
      await mkdir(join(directory, 'netns'), { recursive: true });
      await writeFile(path(id), '');
      await run('unshare', [`--net=${path(id)}`, 'ip', 'link', 'set', 'lo', 'up']);
      return addresses(id);
    },
    async del(id) {
      if (!existsSync(path(id))) return;
      await run('umount', ['-l', path(id)]).catch(() => undefined);
      await rm(path(id), { force: true });
    },
    check: async (id) => (existsSync(path(id)) ? addresses(id) : undefined),
  };
}

/** Loopback addresses, one for each sandbox. */
export function loopbackNetwork(): PodNetwork {
  const given = new Map<string, string>();
  return {
    async add({ id }) {
      const ip = given.get(id) ?? `127.77.0.${given.size + 1}`;
      given.set(id, ip);
      return { ips: [ip] };
    },
    del: async (id) => void given.delete(id),
    check: async (id) => (given.has(id) ? { ips: [given.get(id) as string] } : undefined),
  };
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'runtime-'));
}

let pods = 0;

export function sandboxConfig(more: Partial<SandboxConfig> = {}): SandboxConfig {
  const name = `pod-${++pods}`;
  return {
    metadata: { namespace: 'default', name, uid: `${process.pid}-${Date.now()}-${pods}`, attempt: 0 },
    hostname: name,
    labels: { app: 'test' },
    annotations: {},
    dns: { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local'], options: ['ndots:5'] },
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    shareProcessNamespace: false,
    sysctls: {},
    hostPorts: [],
    runtimeHandler: '',
    qosClass: 'BestEffort',
    ...more,
  };
}

export function containerConfig(
  directory: string,
  command: string[],
  more: Partial<ContainerConfig> = {},
): ContainerConfig {
  const name = more.metadata?.name ?? 'main';
  const attempt = more.metadata?.attempt ?? 0;
  return {
    metadata: { name, attempt },
    image: testImage,
    command,
    workingDir: '',
    env: [],
    mounts: [],
    labels: {},
    annotations: {},
    logPath: join(directory, 'logs', `${name}-${attempt}-${++pods}.log`),
    stdin: false,
    stdinOnce: false,
    tty: false,
    security: {},
    resources: {},
    stopSignal: 'SIGTERM',
    ...more,
  };
}

/** Waits until `look` answers with something true. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  what = 'the condition',
  milliseconds = 10_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const found = await look();
    if (found) return found as NonNullable<T>;
    if (Date.now() > deadline) throw new Error(`${what} did not come true within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export async function exited(runtime: Runtime, id: string) {
  return eventually(async () => {
    const status = await runtime.containerStatus(id);
    return status?.state === 'Exited' ? status : undefined;
  }, `the end of ${id}`);
}

/** A log's lines without their times: `stdout F text`. */
export async function logLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(line.indexOf(' ') + 1));
}

/** A stream that gathers what is written to it. */
export function gather(): PassThrough & { text(): string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return Object.assign(stream, { text: () => Buffer.concat(chunks).toString() });
}

/** Time that passes only when the test says so. */
export function manualClock(): Clock & { advance(milliseconds: number): Promise<void> } {
  let now = Date.UTC(2026, 0, 1);
  const due = new Set<{ at: number; call: () => void }>();
  const after = (milliseconds: number, call: () => void) => {
    const entry = { at: now + milliseconds, call };
    due.add(entry);
    return { cancel: () => void due.delete(entry) };
  };
  const turns = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return {
    now: () => now,
    monotonic: () => now,
    after,
    every: () => ({ cancel: () => undefined }),
    sleep: (milliseconds) => new Promise((resolve) => void after(milliseconds, resolve)),
    async advance(milliseconds) {
      const end = now + milliseconds;
      await turns();
      for (;;) {
        const next = [...due].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (!next) break;
        due.delete(next);
        now = next.at;
        next.call();
        await turns();
      }
      now = end;
      await turns();
    },
  };
}
