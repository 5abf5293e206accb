/**
 * Malformed and half well-formed requests against a real server, over HTTPS and within the process, each drawn from a seed and its number.
 * What must hold: an answer to each in time, never a fault of the server's own, errors that are a Status, all that was stored before as it
 * was, everything listed readable, and no more memory after a hundred thousand than after ten.
 */
import { Agent } from 'node:https';
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { StatusError, systemClock } from '../../src/machinery/index.ts';
import { type Cluster, startCluster } from '../../src/testing/index.ts';
import { ask, call, type To } from './ask.ts';
import { faultOf } from './judge.ts';
import { type Asked, requestOf } from './requests.ts';

export interface FuzzOptions {
  seed: number;
  /** The number of the first request. */
  from?: number;
  count: number;
  /** Requests to one server; then there is another. */
  life?: number;
  tell?(line: string): void;
}

export interface Fuzzed {
  readonly faults: readonly string[];
  readonly requests: number;
  /** How many were answered with which status. */
  readonly statuses: Readonly<Record<number, number>>;
}

const inFlight = 16;
/** Megabytes that a server may hold on to for what it was asked. */
const growthLimit = 150;
const enoughFaults = 20;

export async function fuzz({ seed, from = 0, count, life = 50_000, tell = () => {} }: FuzzOptions): Promise<Fuzzed> {
  const statuses: Record<number, number> = {};
  const faults: string[] = [];
  const places = new Set<string>();
  let requests = 0;
  for (let at = from; at < from + count && faults.length < enoughFaults; at += life) {
    const until = Math.min(at + life, from + count);
    const server = await Server.start(seed, (fault) => {
      const place = placeOf(fault);
      if (!places.has(place)) faults.push(fault);
      places.add(place);
    });
    try {
      await server.ask(seed, at, until, (status) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        requests++;
      });
      await server.check();
    } finally {
      await server.close();
    }
    tell(`${requests} requests, ${faults.length} faults, ${megabytes()} MB`);
  }
  return { faults, requests, statuses };
}

/** Faults that come from one line are one. */
function placeOf(fault: string): string {
  return (
    /at .*\(?file:.*/.exec(fault)?.[0] ?? fault.replace(/^--seed.*?: (\S+) \S+/, '$1').replaceAll(/[0-9a-f-]{36}/g, '')
  );
}

class Server {
  readonly #cluster: Cluster;
  readonly #to: To;
  readonly #fault: (fault: string) => void;
  readonly #kept: string[] = [];

  constructor(cluster: Cluster, to: To, fault: (fault: string) => void) {
    this.#cluster = cluster;
    this.#to = to;
    this.#fault = fault;
  }

  static async start(seed: number, fault: (fault: string) => void): Promise<Server> {
    const failed = (error: unknown) => fault(`a fault of the server: ${String((error as Error)?.stack ?? error)}`);
    const cluster = await startCluster({
      seed,
      clock: systemClock,
      controllers: false,
      scheduler: false,
      apiserver: { failed },
    });
    const { port, authority, admin } = await cluster.listen();
    const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
    const tls = { host: '127.0.0.1', port, ca: authority.certificate, cert: admin.certificate, key: admin.key, agent };
    const server = new Server(cluster, { tls, clock: systemClock }, fault);
    await server.#prepare();
    return server;
  }

  async #prepare(): Promise<void> {
    for (const name of ['a', 'b', 'kept']) await this.#make('/api/v1/namespaces', { metadata: { name } });
    const things = {
      group: 'fuzz.test',
      scope: 'Namespaced',
      names: { plural: 'things', singular: 'thing', kind: 'Thing' },
    };
    const schema = {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    };
    const versions = [{ name: 'v1', served: true, storage: true, schema, subresources: { status: {} } }];
    await this.#make('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: { name: 'things.fuzz.test' },
      spec: { ...things, versions },
    });
    for (let n = 0; n < 20; n++) {
      await this.#make('/api/v1/namespaces/kept/configmaps', { metadata: { name: `kept-${n}` }, data: { n: `${n}` } });
      this.#kept.push(await this.#get(`/api/v1/namespaces/kept/configmaps/kept-${n}`));
    }
  }

  async ask(seed: number, from: number, until: number, answered: (status: number) => void): Promise<void> {
    const local = this.#cluster.apiserver.local(
      { name: 'fuzz', groups: ['system:masters', 'system:authenticated'] },
      'fuzz',
    );
    let next = from;
    let settled: number | undefined;
    const one = async (number: number) => {
      const asked = requestOf(seed, number);
      const told = `--seed ${seed} --from ${number} --count 1: ${asked.method} ${asked.path.slice(0, 200)}`;
      try {
        const answer = number % 8 === 7 ? await call(asked, local) : await ask(asked, this.#to);
        answered(answer?.status ?? 0);
        const fault = answer && faultOf(asked, answer);
        if (fault !== undefined) this.#fault(`${told}\n    ${fault}`);
      } catch (error) {
        this.#fault(`${told}\n    ${String((error as Error).stack)}`);
      }
    };
    const run = async () => {
      while (next < until) {
        const number = next++;
        await one(number);
        if (number - from === 10_000) settled = megabytes();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, run));
    const grown = settled === undefined ? 0 : megabytes() - settled;
    if (grown > growthLimit)
      this.#fault(`--seed ${seed} --from ${from}: ${grown} MB more memory than after 10,000 requests`);
  }

  /** What was there before is as it was; what can be listed can be read. */
  async check(): Promise<void> {
    for (const [n, before] of this.#kept.entries()) {
      const now = await this.#get(`/api/v1/namespaces/kept/configmaps/kept-${n}`);
      if (now !== before) this.#fault(`kept-${n} was ${before} and is ${now}`);
    }
    for (const version of ['/api/v1', ...(await this.#versions())]) {
      const { resources } = JSON.parse(await this.#get(version)) as { resources: { name: string; verbs: string[] }[] };
      for (const { name, verbs } of resources)
        if (verbs.includes('list') && !name.includes('/')) await this.#readable(`${version}/${name}`);
    }
  }

  async #versions(): Promise<string[]> {
    const { groups } = JSON.parse(await this.#get('/apis')) as { groups: { versions: { groupVersion: string }[] }[] };
    return groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => `/apis/${groupVersion}`));
  }

  async #readable(path: string): Promise<void> {
    const text = await this.#get(path);
    try {
      if (!Array.isArray(JSON.parse(text).items)) this.#fault(`${path} cannot be listed: ${text.slice(0, 200)}`);
    } catch (error) {
      this.#fault(`${path} cannot be read: ${String(error)}`);
    }
  }

  async #get(path: string): Promise<string> {
    return (await ask({ ...plain, method: 'GET', path }, this.#to)).text;
  }

  async #make(path: string, object: object): Promise<void> {
    const body = { bytes: Buffer.from(JSON.stringify(object)), type: 'application/json' };
    const { status, text } = await ask(
      { ...plain, method: 'POST', path, body, headers: { 'content-type': body.type } },
      this.#to,
    );
    if (status >= 400) throw new StatusError('InternalError', `${path}: ${text}`);
  }

  async close(): Promise<void> {
    this.#to.tls.agent.destroy();
    await this.#cluster[Symbol.asyncDispose]();
  }
}

const plain = {
  headers: {},
  kind: undefined as never,
  namespace: '',
  name: '',
  subresource: '',
  upgrade: false,
} satisfies Partial<Asked>;

let collect: (() => void) | undefined;

/** Of the heap, once what is not needed has been collected. */
function megabytes(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20);
}
