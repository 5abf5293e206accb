/** etcd processes for tests: on loopback, on ports that were free, in memory where the machine has a place for that. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Member {
  /** `host:port` for clients. */
  readonly endpoint: string;
  readonly pid: number;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again after it was killed, with what it had. */
  restart(): void;
}

export interface EtcdCluster {
  readonly members: readonly Member[];
  readonly endpoints: readonly string[];
  stop(): Promise<void>;
}

/** Why there is no etcd to test with; undefined: there is. */
export function withoutEtcd(): string | undefined {
  return spawnSync('etcd', ['--version']).status === 0 ? undefined : 'etcd is not installed';
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer();
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export interface EtcdClusterOptions {
  members?: number;
  /** Further flags of every member. */
  flags?: readonly string[];
  scheme?: 'http' | 'https';
}

/** Returns at once: who connects waits until it answers. */
export async function startEtcd({
  members = 1,
  flags = [],
  scheme = 'http',
}: EtcdClusterOptions = {}): Promise<EtcdCluster> {
  const base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'glasshouse-etcd-'));
  const ports = await freePorts(members * 2);
  const peers = Array.from({ length: members }, (_, at) => `http://127.0.0.1:${ports[members + at]}`);
  const cluster = peers.map((peer, at) => `m${at}=${peer}`).join(',');
  const started = Array.from({ length: members }, (_, at) => {
    const url = `${scheme}://127.0.0.1:${ports[at]}`;
    const args = ['--name', `m${at}`, '--data-dir', join(base, `m${at}`), '--log-level', 'error'];
    args.push('--listen-client-urls', url, '--advertise-client-urls', url);
    args.push('--listen-peer-urls', peers[at]!, '--initial-advertise-peer-urls', peers[at]!);
    args.push('--initial-cluster', cluster, '--initial-cluster-state', 'new', '--initial-cluster-token', base);
    args.push('--heartbeat-interval', members > 1 ? '50' : '10', '--election-timeout', members > 1 ? '500' : '100');
    return startMember(`127.0.0.1:${ports[at]}`, [...args, ...flags]);
  });
  return {
    members: started,
    endpoints: started.map(({ endpoint }) => endpoint),
    stop: async () => {
      await Promise.all(started.map((member) => member.kill()));
      rmSync(base, { recursive: true, force: true });
    },
  };
}

function startMember(endpoint: string, args: readonly string[]): Member {
  const start = () => spawn('etcd', args, { stdio: 'ignore', env: { PATH: process.env.PATH, GOMAXPROCS: '2' } });
  let child: ChildProcess = start();
  return {
    endpoint,
    get pid() {
      return child.pid!;
    },
    kill: (signal = 'SIGKILL') =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill(signal);
      }),
    restart: () => {
      child = start();
    },
  };
}
