/**
 * The servers that are measured: ours, and kube-apiserver with etcd as its peer if both are on the PATH. Each is pinned to the first core and
 * has a folder of its own on the same disk; the load comes from the last core.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { malloc } from '../../bin/malloc.mjs';
import { Asker, open, type Pace, pace, request, type Target } from '../load/connection.ts';
import { type Measured, median } from '../report.ts';
import { credentials } from './credentials.ts';

export interface Server extends AsyncDisposable {
  readonly name: string;
  readonly target: Target;
  /** Resident bytes of all its processes. */
  memory(): number;
}

const serverCore = '0';
const several = cpus().length > 1;

/** Moves this process away from the servers' core. */
export function pinLoad(): void {
  if (several && onPath('taskset'))
    execFileSync('taskset', ['-acp', String(cpus().length - 1), String(process.pid)], { stdio: 'ignore' });
}

export function onPath(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

type Start = (command: string, args: string[], options?: Parameters<typeof spawn>[2]) => ChildProcess;

const pinned: Start = (command, args, options = {}) =>
  several && onPath('taskset')
    ? spawn('taskset', ['-c', serverCore, command, ...args], options)
    : spawn(command, args, options);
const unpinned: Start = (command, args, options = {}) => spawn(command, args, options);

export async function startOurs(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const program = fileURLToPath(new URL('./glasshouse.ts', import.meta.url));
  const flags = process.env['BENCH_SERVER_FLAGS']?.split(' ') ?? [];
  const child = pinned(process.execPath, [...flags, program, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...malloc, ...process.env },
  });
  let line = '';
  for await (const part of child.stdout!) if ((line += part).includes('\n')) break;
  return {
    name: 'glasshouse',
    target: JSON.parse(line) as Target,
    memory: () => residentOf([child]),
    [Symbol.asyncDispose]: () => stop([child], folder),
  };
}

export function peerIsHere(): boolean {
  return onPath('kube-apiserver') && onPath('etcd');
}

/** `anyCore`: not pinned to one, where the load does not come from outside. `flags`: more of them for kube-apiserver. */
export async function startPeer({ anyCore = false, flags = [] as string[] } = {}): Promise<Server> {
  const start = anyCore ? unpinned : pinned;
  const folder = mkdtempSync(join(tmpdir(), 'bench-peer-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const { authority, server, admin } = credentials();
  const [client, peer, secure] = (await Promise.all([freePort(), freePort(), freePort()])) as [number, number, number];
  const log = openSync(join(folder, 'log'), 'w');
  const stdio: ['ignore', number, number] = ['ignore', log, log];
  const address = (port: number) => `http://127.0.0.1:${port}`;
  const etcd = start(
    'etcd',
    [
      ['--data-dir', join(folder, 'etcd'), '--log-level', 'error'],
      ['--listen-client-urls', address(client), '--advertise-client-urls', address(client)],
      ['--listen-peer-urls', address(peer), '--initial-advertise-peer-urls', address(peer)],
      ['--initial-cluster', `default=${address(peer)}`],
    ].flat(),
    { stdio },
  );
  const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs1',
    format: 'pem',
  });
  const accounts = file('accounts.key', signing.toString());
  const apiserver = start(
    'kube-apiserver',
    [
      `--etcd-servers=${address(client)}`,
      `--secure-port=${secure}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--cert-dir=${folder}`,
      `--tls-cert-file=${file('server.crt', server.certificate)}`,
      `--tls-private-key-file=${file('server.key', server.key)}`,
      `--client-ca-file=${file('ca.crt', authority.certificate)}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${accounts}`,
      `--service-account-signing-key-file=${accounts}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--endpoint-reconciler-type=none',
      '--authorization-mode=RBAC',
      '--profiling=false',
      ...flags,
    ],
    { stdio },
  );
  const target = { port: secure, authority: authority.certificate, certificate: admin.certificate, key: admin.key };
  try {
    await ready(target, apiserver);
  } catch (error) {
    process.stderr.write(readFileSync(join(folder, 'log'), 'utf8').slice(-2000));
    await stop([apiserver, etcd], folder);
    throw error;
  }
  return {
    name: 'kube-apiserver with etcd',
    target,
    memory: () => residentOf([apiserver, etcd]),
    [Symbol.asyncDispose]: () => stop([apiserver, etcd], folder),
  };
}

async function ready(target: Target, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300 && child.exitCode === null; tries++) {
    if ((await statusOf(target, '/readyz')) === 200 && (await statusOf(target, '/api/v1/namespaces/default')) === 200)
      return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('kube-apiserver did not become ready');
}

async function statusOf(target: Target, path: string): Promise<number> {
  try {
    const asker = new Asker(await open(target));
    const { status } = await asker.ask(request('GET', path));
    asker.close();
    return status;
  } catch {
    return 0;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** In order, each waited for. */
async function stop(children: readonly ChildProcess[], folder: string): Promise<void> {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, 'exit');
    if (child.stdin) child.stdin.end();
    else child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await exited;
    clearTimeout(late);
  }
  rmSync(folder, { recursive: true, force: true });
}

function residentOf(children: readonly ChildProcess[]): number {
  const kilobytes = children.map(({ pid }) =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, one) => sum + one, 0) * 1024;
}

export interface Seen {
  readonly figures: number[];
  /** Milliseconds; one a run, if it was looked at. */
  readonly p99?: number[];
}

type Compared = Pick<Measured, 'figures' | 'peer' | 'also'>;

/** Measures ours and the peer one after the other, on servers of their own. */
export async function compare(measure: (target: Target, server: Server) => Promise<Seen>): Promise<Compared> {
  pinLoad();
  const ours = await measured(startOurs, measure);
  const peer =
    peerIsHere() && !process.argv.includes('--no-peer') ? await measured(() => startPeer(), measure) : undefined;
  const also = [
    { name: 'p99', unit: 'ms', figure: ours.p99 && median(ours.p99), peer: peer?.p99 && median(peer.p99) },
    { name: 'memory', unit: 'MB', figure: ours.memory / 1e6, peer: peer && peer.memory / 1e6 },
  ];
  return {
    figures: ours.figures,
    ...(peer && { peer: { name: peer.name, figures: peer.figures } }),
    also: also.flatMap(({ figure, peer: other, ...one }) =>
      figure === undefined ? [] : [{ ...one, figure, ...(other !== undefined && { peer: other }) }],
    ),
  };
}

async function measured(start: () => Promise<Server>, measure: (target: Target, server: Server) => Promise<Seen>) {
  await using server = await start();
  const seen = await measure(server.target, server);
  return { name: server.name, ...seen, memory: server.memory() };
}

/** Three runs of a load, the first of them after a longer warming. */
export async function paces(
  target: Target,
  { connections, warm, seconds }: { connections: number; warm: number; seconds: number },
  next: () => Buffer,
): Promise<Seen> {
  const runs: Pace[] = [];
  for (let i = 0; i < 3; i++) runs.push(await pace(target, { connections, warm: i === 0 ? warm : 0.5, seconds }, next));
  return { figures: runs.map(({ rate }) => rate), p99: runs.map(({ p99 }) => p99) };
}
