/** A whole cluster inside a test process. */
import {
  type Apiserver,
  type ApiserverOptions,
  certifyRequest,
  createApiserver,
  createAuthority,
  type FrontProxy,
  issue,
  type KeyPair,
  secretTokens,
  serviceAccountUser,
} from '../apiserver/index.ts';
import { type Client, Informers, localClient, quiet, runControllers, type Log } from '../client/index.ts';
import { controllers as allControllers } from '../controllers/index.ts';
import { runScheduler } from '../scheduler/index.ts';
import { type Clock, MetricSet, type Random, seededRandom } from '../machinery/index.ts';
import { memoryStore, type Store } from '../store/index.ts';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNodes } from './nodes.ts';
import { settle, VirtualClock } from './virtualclock.ts';

export interface ClusterOptions {
  /** Absent: a `VirtualClock` of its own. */
  clock?: Clock;
  /** Seeds every draw of chance; the same seed gives the same names and choices. Absent: 1. */
  seed?: number;
  /** Absent: a memory store of its own. */
  store?: Store;
  /** Run the controllers; absent: yes. */
  controllers?: boolean;
  /** Run the scheduler; absent: yes. */
  scheduler?: boolean;
  /** So many nodes, `node-0` and on: the real node agent on simulated containers. Absent: none. */
  nodes?: number;
  /** What nodes use, as their `/stats/summary`, by name: for the Metrics API and what goes by it. Absent: there is no Metrics API. */
  usage?(nodeName: string): unknown;
  log?: Log;
  /** Signs the certificates that are asked for; absent: one of its own. */
  authority?: KeyPair;
  /** Further options of the API server. */
  apiserver?: Partial<ApiserverOptions>;
  /** How the server shows itself to those that APIServices name. */
  frontProxy?: FrontProxy;
}

export interface Cluster extends AsyncDisposable {
  /** As the cluster's administrator. */
  readonly client: Client;
  /** As anybody: RBAC decides what they may do. */
  clientFor(user: { name: string; groups?: readonly string[] }): Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly apiserver: Apiserver;
  /** What its parts count. */
  readonly metrics: MetricSet;
  /** Ends a node's agent, as if its machine had stopped. */
  stopNode(name: string): Promise<void>;
  /**
   * Waits until `check` gives something (or stops throwing), moving virtual time on as far as `within` milliseconds. Rejects with the last
   * error, or with `what`.
   */
  eventually<T>(
    check: () => T | Promise<T>,
    options?: { within?: number; what?: string },
  ): Promise<Exclude<NonNullable<T>, false>>;
  /** Opens an HTTPS port on loopback for clients that are not ours, and returns a kubeconfig for it. */
  listen(): Promise<{ port: number; kubeconfig: string; authority: KeyPair; admin: KeyPair }>;
}

const admin = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

/**
 * Starts the real API server and the real controllers and scheduler on the memory store, in virtual time. No ports, no files, no child
 * processes. Dispose of it with `await using`.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const clock = options.clock ?? new VirtualClock();
  const random = seededRandom(options.seed ?? 1);
  const store = options.store ?? memoryStore();
  const log = options.log ?? quiet;
  const metrics = new MetricSet();
  let pem: string | undefined;
  const key = () => (pem ??= signerKey());
  const apiserver = await createApiserver({
    store,
    metrics,
    clock,
    random,
    signer: {
      get key() {
        return key();
      },
      issuer: 'https://kubernetes.default.svc.cluster.local',
    },
    serviceCIDR: '10.96.0.0/16',
    nodePorts: { from: 30000, to: 32767 },
    ...(options.usage && { usage: async ({ metadata }) => options.usage!(metadata.name!) }),
    frontProxy: options.frontProxy,
    failed: (err, id) => log.error({ err, id }, 'a request failed'),
    ...options.apiserver,
  });
  const clientFor = ({ name, groups = [] }: { name: string; groups?: readonly string[] }) =>
    localClient(apiserver.local({ name, groups: [...groups, 'system:authenticated'] }, name));
  const client = localClient(apiserver.local(admin, 'testing'));
  const stop = new AbortController();
  // a turn later: filling their caches is not what the first request should wait for
  const running = new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
    startParts(options, apiserver, { clock, random, log, signal: stop.signal, metrics, key }),
  );
  const nodes = options.nodes ? await startNodes(options.nodes, { client, clock, random, log }) : undefined;
  let listening: Awaited<ReturnType<Cluster['listen']>> | undefined;
  return {
    client,
    clientFor,
    clock,
    random,
    store,
    apiserver,
    metrics,
    stopNode: async (name) => nodes?.stop(name),
    eventually: (check, how) => eventually(clock, check, how),
    listen: async () => (listening ??= await listen(apiserver)),
    async [Symbol.asyncDispose]() {
      await nodes?.close();
      stop.abort(new Error('the cluster was disposed of'));
      await apiserver.close();
      if (clock instanceof VirtualClock) await settle();
      await running;
      if (options.store === undefined) await store.close();
    },
  };
}

function signerKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Volumes that are made are only told of: nodes of tests make the folders that their pods mount, if there are such. */
const localVolumes = {
  directory: join(tmpdir(), 'glass-volumes'),
  prepare: async () => {},
  remove: async () => {},
};

interface Parts {
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
  metrics: MetricSet;
  /** That tokens are signed with. */
  key: () => string;
}

/** Resolves once everything that was started has ended. */
async function startParts(options: ClusterOptions, apiserver: Apiserver, parts: Parts): Promise<void> {
  if (parts.signal.aborted) return;
  const as = (name: string) =>
    localClient(apiserver.local({ name, groups: ['system:authenticated'] }, name), { share: true });
  const manager = as('system:kube-controller-manager');
  const clientFor = (account: string) =>
    localClient(apiserver.local(serviceAccountUser('kube-system', account), 'kube-controller-manager'), {
      share: true,
    });
  const informers = new Informers({ client: manager, ...parts });
  const ended: Promise<void>[] = [];
  if (options.controllers !== false) {
    let { authority } = options;
    const list = allControllers({
      clusterCA: '',
      sign: (request, terms) =>
        certifyRequest((authority ??= createAuthority('testing', parts.clock.now())), request, terms),
      signToken: secretTokens(parts.key),
      localVolumes,
    });
    ended.push(runControllers(manager, list, { ...parts, informers, clientFor }).ended);
  }
  if (options.scheduler !== false)
    ended.push(runScheduler({ client: as('system:kube-scheduler'), podGroups: true, ...parts, informers }).ended);
  await Promise.race([
    Promise.all(ended),
    new Promise<void>((resolve) => parts.signal.addEventListener('abort', () => resolve(), { once: true })),
  ]);
}

async function eventually<T>(
  clock: Clock,
  check: () => T | Promise<T>,
  { within = 60_000, what = 'what was waited for did not come about' }: { within?: number; what?: string } = {},
): Promise<Exclude<NonNullable<T>, false>> {
  const virtual = clock instanceof VirtualClock ? clock : undefined;
  const until = clock.now() + within;
  let last: unknown;
  for (;;) {
    try {
      if (virtual) await settle();
      const found = await check();
      if (found !== undefined && found !== null && found !== false) return found as Exclude<NonNullable<T>, false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (clock.now() >= until) throw last ?? new Error(`${what} within ${within} ms`);
    if (virtual)
      await virtual.advance(Math.max(1, Math.min((virtual.next() ?? until) - virtual.now(), until - virtual.now())));
    else await clock.sleep(20);
  }
}

async function listen(apiserver: Apiserver): Promise<Awaited<ReturnType<Cluster['listen']>>> {
  const now = Date.now();
  const validity = { notBefore: now - 3600_000, notAfter: now + 24 * 3600_000 };
  const authority = createAuthority('glasshouse-testing', now);
  const server = issue(authority, {
    commonName: 'kube-apiserver',
    hosts: ['127.0.0.1', 'localhost'],
    uses: ['server'],
    ...validity,
  });
  const user = issue(authority, {
    commonName: admin.name,
    organizations: ['system:masters'],
    uses: ['client'],
    ...validity,
  });
  const { port } = await apiserver.listen({
    certificate: server.certificate,
    key: server.key,
    clientAuthority: authority.certificate,
    host: '127.0.0.1',
    port: 0,
    advertise: '127.0.0.1',
  });
  const inline = (pem: string) => Buffer.from(pem).toString('base64');
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'testing',
    clusters: [
      {
        name: 'testing',
        cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': inline(authority.certificate) },
      },
    ],
    users: [
      {
        name: 'testing',
        user: { 'client-certificate-data': inline(user.certificate), 'client-key-data': inline(user.key) },
      },
    ],
    contexts: [{ name: 'testing', context: { cluster: 'testing', user: 'testing' } }],
  };
  return { port, kubeconfig: JSON.stringify(kubeconfig, null, 2), authority, admin: user };
}
