/** The cluster of a simulation: every part can be stopped and started again, and meets the API server through the faults. */
import { type Apiserver, createApiserver, serviceAccountUser, type User } from '../../apiserver/index.ts';
import { type Client, Informers, localClient, type LocalServer, type Log, runControllers } from '../../client/index.ts';
import { controllers } from '../../controllers/index.ts';
import { type Observer, SimulatedNodes } from '../../layers/sim/index.ts';
import { type Random, StatusError } from '../../machinery/index.ts';
import { runScheduler } from '../../scheduler/index.ts';
import { memoryStore, type Store } from '../../store/index.ts';
import { settle, type VirtualClock } from '../virtualclock.ts';
import { generateKeyPairSync } from 'node:crypto';
import type { Faults } from './faults.ts';

const capacity = { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' };
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signer = {
  key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  issuer: 'https://kubernetes.default.svc.cluster.local',
};

export interface WorldOptions {
  clock: VirtualClock;
  random: Random;
  faults: Faults;
  nodes: number;
  observer: Observer;
  log: Log;
  /** A fault of the server's own. */
  failed(error: unknown): void;
}

interface Part {
  readonly stop: AbortController;
  readonly ended: Promise<unknown>;
}

export class World {
  readonly store: Store;
  /** Of the one who asks and looks: nothing goes wrong on his way. */
  readonly client: Client;
  readonly nodes: SimulatedNodes;
  readonly #options: WorldOptions;
  readonly #parts = new Map<string, Part>();
  #apiserver: Apiserver;
  /** Rejects when the API server goes: what is under way with it gets no answer. */
  #gone = neverYet();

  static async start(options: WorldOptions): Promise<World> {
    const store = memoryStore();
    return new World(options, store, await serve(options, store));
  }

  private constructor(options: WorldOptions, store: Store, apiserver: Apiserver) {
    this.#options = options;
    this.store = store;
    this.#apiserver = apiserver;
    const { clock, random, log, observer } = options;
    const admin = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
    this.client = localClient(this.#serverFor(admin, 'user'));
    this.nodes = new SimulatedNodes({
      client: this.#clientFor(admin, 'kubelet'),
      clock,
      random,
      log,
      observer,
    });
    for (const part of this.partNames()) this.startPart(part);
  }

  async addNodes(): Promise<void> {
    for (let i = 0; i < this.#options.nodes; i++)
      await this.nodes.add({ name: `node-${i}`, address: `192.0.2.${i + 1}`, capacity });
  }

  partNames(): string[] {
    return ['controllers', 'scheduler'];
  }

  startPart(name: string): void {
    const stop = new AbortController();
    const { clock, random, log } = this.#options;
    const shared = { clock, random, log, signal: stop.signal };
    const as = (user: string) => this.#clientFor({ name: user, groups: ['system:authenticated'] }, user);
    const run = () => {
      if (name === 'scheduler')
        return runScheduler({ client: as('system:kube-scheduler'), podGroups: true, ...shared }).ended;
      const client = as('system:kube-controller-manager');
      const clientFor = (account: string) =>
        this.#clientFor(serviceAccountUser('kube-system', account), 'kube-controller-manager');
      const informers = new Informers({ client, ...shared });
      return runControllers(client, controllers({ clusterCA: '' }), { ...shared, informers, clientFor }).ended;
    };
    this.#parts.set(name, { stop, ended: run() });
  }

  isRunning(name: string): boolean {
    return this.#parts.has(name);
  }

  stopPart(name: string): void {
    this.#parts.get(name)?.stop.abort(new Error(`${name} is stopped`));
    this.#parts.delete(name);
  }

  /** Every watch ends; what was stored is found again. */
  async restartApiserver(): Promise<void> {
    const before = this.#apiserver;
    this.#apiserver = await serve(this.#options, this.store);
    this.#gone.reject(StatusError.serviceUnavailable('the API server went away'));
    this.#gone = neverYet();
    await before.close();
  }

  async stop(): Promise<void> {
    const ended = Array.from(this.#parts.values(), (part) => part.ended);
    for (const name of this.partNames()) this.stopPart(name);
    await this.nodes.stop();
    await this.#apiserver.close();
    await settle();
    await Promise.race([Promise.all(ended), settle()]);
    await this.store.close();
  }

  #serverFor(user: User, userAgent: string): LocalServer {
    let made: { by: Apiserver; server: LocalServer } | undefined;
    const current = (): LocalServer => {
      if (made?.by !== this.#apiserver)
        made = { by: this.#apiserver, server: this.#apiserver.local(user, userAgent) as unknown as LocalServer };
      return made.server;
    };
    return {
      call: (request) => Promise.race([current().call(request), this.#gone.promise]),
      watch: (request, onEvents, onEnd) => current().watch(request, onEvents, onEnd),
    };
  }

  #clientFor(user: User, userAgent: string): Client {
    const server = this.#serverFor(user, userAgent);
    return localClient(
      this.#options.faults.before(() => server),
      { share: true },
    );
  }
}

function neverYet(): PromiseWithResolvers<never> {
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  return gone;
}

function serve({ clock, random, failed }: WorldOptions, store: Store): Promise<Apiserver> {
  return createApiserver({
    store,
    clock,
    random,
    signer,
    serviceCIDR: '10.96.0.0/16',
    nodePorts: { from: 30000, to: 32767 },
    failed,
  });
}
