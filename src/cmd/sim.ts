/** `glass sim`, wired: the real API server, controllers and scheduler on the memory store, simulated nodes, real or virtual time. */
import { certifyRequest, createApiserver, serviceAccountUser, type Apiserver, type User } from '../apiserver/index.ts';
import { Failure, type RunningSimulation, type SimOptions, UsageError } from '../cli/index.ts';
import { type Client, Informers, localClient, runControllers } from '../client/index.ts';
import { controllers } from '../controllers/index.ts';
import { checkStages, loadRecorded, type Observer, SimulatedNodes, StageError } from '../layers/sim/index.ts';
import {
  type Clock,
  MetricSet,
  type Random,
  seededRandom,
  systemClock,
  systemRandom,
  VirtualClock,
} from '../machinery/index.ts';
import { runScheduler } from '../scheduler/index.ts';
import { memoryStore } from '../store/index.ts';
import { kubeconfigFor } from './kubeconfig.ts';
import { loadPki, type Pki } from './pki.ts';
import { ensureRoles } from './roles.ts';
import { countCluster } from './simcount.ts';
import { ensureStorageClass } from './volumes.ts';

/** Nodes that register at a time. */
const atOnce = 64;
/** Milliseconds: what falls into so many happens together in virtual time. */
const grain = 2;
/** Milliseconds: nodes renew their leases together, so often, where time is virtual. */
const grid = 1_000;
/** Virtual milliseconds between two looks whether to stop. */
const stride = 1_000;

const masters = 'system:masters';
/** Volumes are made and removed in word only. */
const localVolumes = { directory: '/simulated', prepare: async () => {}, remove: async () => {} };

/** What benchmarks see and say beside what everybody does. */
export interface SimHooks {
  /** Told what really runs where. */
  observer?: Observer;
}

export interface HookedSimulation extends RunningSimulation {
  readonly clock: Clock;
  readonly random: Random;
}

export async function startSimulation(options: SimOptions, hooks: SimHooks = {}): Promise<HookedSimulation> {
  const stages = stagesOf(options);
  if (stages > 0) options.report({ stages });
  const clock = options.virtual ? new VirtualClock({ start: Date.now(), settle, grain }) : systemClock;
  const random = options.seed === undefined ? systemRandom : seededRandom(options.seed);
  const began = clock.now();
  const stop = new AbortController();
  const pki = loadPki(options.places.pki, Date.now(), ['localhost', '127.0.0.1', '::1', 'kubernetes.default.svc']);
  const store = memoryStore();
  const metrics = new MetricSet();
  const { log } = options;
  const apiserver = await createApiserver({
    store,
    clock,
    random,
    metrics,
    signer: { key: pki.signer, issuer: 'https://kubernetes.default.svc.cluster.local' },
    serviceCIDR: '10.96.0.0/16',
    nodePorts: { from: 30_000, to: 32_767 },
    frontProxy: pki.frontProxy,
    simulated: true,
    failed: (err, id) => log.error({ err, id }, 'a request failed by a fault of the server'),
  });
  const { port } = await apiserver.listen({
    certificate: pki.server.certificate,
    key: pki.server.key,
    clientAuthority: pki.authority.certificate,
    host: '127.0.0.1',
    port: options.port,
  });
  const parts = new Parts(options, { apiserver, clock, random, metrics, pki, signal: stop.signal, ...hooks });
  return {
    port,
    clock,
    random,
    client: parts.client,
    kubeconfig: kubeconfigFor(port, pki),
    ready: () => passing(clock, parts.start()),
    async run(signal, told) {
      const until =
        options.until ?? (options.duration === undefined ? Number.POSITIVE_INFINITY : began + options.duration);
      await pass(clock, until, signal, (now) => told(now - began));
    },
    async count() {
      return { ...(await countCluster(parts.client)), milliseconds: Math.round(clock.now() - began) };
    },
    async stop() {
      await passing(clock, parts.stop());
      stop.abort(new Error('the simulation ends'));
      await apiserver.close();
      await store.close();
    },
  };
}

/** How many there are, of which none is wrong. */
function stagesOf({ stages }: SimOptions): number {
  try {
    return checkStages(stages);
  } catch (error) {
    if (error instanceof StageError) throw new UsageError(`--stage: ${error.message}`);
    throw error;
  }
}

interface Around extends SimHooks {
  apiserver: Apiserver;
  clock: Clock;
  random: Random;
  metrics: MetricSet;
  pki: Pki;
  signal: AbortSignal;
}

class Parts {
  readonly client: Client;
  readonly #options: SimOptions;
  readonly #around: Around;
  #nodes: SimulatedNodes | undefined;

  constructor(options: SimOptions, around: Around) {
    this.#options = options;
    this.#around = around;
    this.client = this.#as({ name: 'system:glasshouse', groups: [masters, 'system:authenticated'] }, 'glass-sim');
  }

  #as(user: User, userAgent: string): Client {
    return localClient(this.#around.apiserver.local(user, userAgent), { share: true });
  }

  async start(): Promise<void> {
    const { recorded, report } = this.#options;
    await ensureRoles(this.client);
    if (recorded.length > 0) report({ loaded: await loadRecorded(recorded, { client: this.client, ...this.#around }) });
    else await ensureStorageClass(this.client);
    const informers = this.#informers();
    this.#nodes = this.#simulated(informers);
    this.#runControlPlane(informers);
    await this.#addNodes(this.#nodes);
  }

  #informers(): Informers {
    const manager = this.#as(
      { name: 'system:kube-controller-manager', groups: ['system:authenticated'] },
      'kube-controller-manager',
    );
    return new Informers({ client: manager, ...this.#around, log: this.#options.log });
  }

  #simulated(informers: Informers): SimulatedNodes {
    const { stages, log, timings, virtual } = this.#options;
    return new SimulatedNodes({
      client: this.client,
      ...this.#around,
      log,
      informers,
      timings,
      adopt: true,
      ...(virtual && { grid }),
      ...(stages.length > 0 && { stages }),
    });
  }

  #runControlPlane(informers: Informers): void {
    const { clock, random, metrics, signal, pki } = this.#around;
    const shared = { clock, random, metrics, signal, informers, log: this.#options.log };
    const list = controllers({
      localVolumes,
      clusterCA: pki.authority.certificate,
      sign: (request, terms) => certifyRequest(pki.authority, request, terms),
    });
    const clientFor = (name: string) => this.#as(serviceAccountUser('kube-system', name), 'kube-controller-manager');
    const manager = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };
    runControllers(this.#as(manager, 'kube-controller-manager'), list, { ...shared, clientFor });
    const scheduler = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };
    runScheduler({ client: this.#as(scheduler, 'kube-scheduler'), podGroups: true, ...shared });
  }

  async #addNodes(nodes: SimulatedNodes): Promise<void> {
    const { nodes: count, capacity } = this.#options;
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const n = next++;
        const address = `172.${16 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
        await nodes.add({ name: `sim-${n}`, address, capacity });
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  }

  async stop(): Promise<void> {
    await this.#nodes?.stop();
  }
}

/** A chain of writes and watches needs a few turns of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Lets time pass until it is done. */
async function passing<T>(clock: Clock, doing: Promise<T>): Promise<T> {
  if (!(clock instanceof VirtualClock)) return doing;
  let over = false;
  doing.then(
    () => (over = true),
    () => (over = true),
  );
  while (!over) await clock.advance(1);
  return doing;
}

/** Lets time pass until then, or until it is told to stop; as fast as the machine can, if time is virtual. */
async function pass(clock: Clock, until: number, signal: AbortSignal, told: (now: number) => void): Promise<void> {
  if (!(clock instanceof VirtualClock)) {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    if (until === Number.POSITIVE_INFINITY) return stopped;
    if (until < clock.now()) throw new Failure(`--until ${new Date(until).toISOString()}: it is later already`);
    await clock.sleep(until - clock.now(), signal).catch(() => {});
    return;
  }
  let toldAt = performance.now();
  while (!signal.aborted && clock.now() < until) {
    await clock.advance(Math.min(stride, until - clock.now()));
    if (performance.now() - toldAt < 1_000) continue;
    toldAt = performance.now();
    told(clock.now());
  }
}
