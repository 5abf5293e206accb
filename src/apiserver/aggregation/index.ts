/**
 * Other servers below this one's address: what an APIService gives away is asked there, in the name of whoever asks here. It promises to say whether
 * each can be reached (the `Available` condition), to list them in discovery, and to keep an APIService for all that is served here. Who may ask was
 * decided before; what the others answer is theirs.
 */
import type { APIService, APIServiceCondition } from '../../api/index.ts';
import {
  type Clock,
  type Counter,
  equalJson,
  type Family,
  formatTime,
  type MetricSet,
  StatusError,
  type Timer,
} from '../../machinery/index.ts';
import type { CacheEvent, ResourceCache } from '../cache/index.ts';
import type { Exchange } from '../exchange.ts';
import { firstCode, join, pour, type Upgrade } from '../nodeproxy.ts';
import { writeAsServer } from '../ownwrites.ts';
import type { Registry } from '../registry/index.ts';
import type { User } from '../request.ts';
import type { ServedResource } from '../resources.ts';
import { lookAt } from './availability.ts';
import { Registration } from './register.ts';
import { type FrontProxy, Remote } from './remote.ts';

export { frontProxyName, publishAuthentication } from './authentication.ts';
export type { FrontProxy } from './remote.ts';

export interface AggregationOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly proxy: FrontProxy | undefined;
  readonly metrics: MetricSet;
  failed(error: unknown): void;
}

interface Known {
  readonly remote: Remote;
  readonly spec: APIService['spec'];
  available: boolean;
  failures: number;
  timer?: Timer;
}

const checkEvery = 30_000;
const retryFirst = 1_000;
const bodyLimit = 32 * 1024 * 1024;

export class Aggregation {
  readonly #options: AggregationOptions;
  readonly #resource: ServedResource;
  readonly #cache: ResourceCache;
  readonly #registration: Registration;
  /** By `group/version`. */
  readonly #remotes = new Map<string, Known>();
  readonly #stop: () => void;
  /** Times that one could not be reached any more. */
  readonly #lost: Family<Counter>;
  #closed = false;

  constructor(options: AggregationOptions, resource: ServedResource, cache: ResourceCache) {
    const { metrics } = options;
    const unavailable = 'aggregator_unavailable_apiservice';
    this.#lost = metrics.counter(`${unavailable}_total`, 'Times that an APIService became unavailable', [
      'name',
      'reason',
    ]);
    metrics.read(unavailable, 'gauge', 'Whether an APIService is unavailable', ['name'], () =>
      Array.from(this.#remotes, ([key, { available }]) => [[nameOf(key)], available ? 0 : 1] as const),
    );
    this.#options = options;
    this.#resource = resource;
    this.#cache = cache;
    this.#registration = new Registration(options.registry, resource, cache, options.failed);
    for (const entry of cache.entries.values()) this.#take(entry.object as APIService);
    this.#stop = cache.listen({ onEvents: (events) => this.#observe(events), onEnd: () => {} });
  }

  start(): Promise<void> {
    return this.#registration.start();
  }

  close(): void {
    this.#closed = true;
    this.#stop();
    this.#registration.close();
    for (const known of this.#remotes.values()) this.#end(known);
  }

  #observe(events: readonly CacheEvent[]): void {
    for (const { deleted, entry } of events) {
      const service = entry.object as APIService;
      if (deleted) this.#forget(keyOf(service));
      else this.#take(service);
    }
  }

  #take(service: APIService): void {
    const key = keyOf(service);
    const known = this.#remotes.get(key);
    if (service.spec.service === undefined || service.spec.service === null) return this.#forget(key);
    if (known !== undefined && equalJson(known.spec, service.spec)) return;
    if (known !== undefined) this.#end(known);
    const { registry, proxy } = this.#options;
    const remote = new Remote(registry, service, proxy);
    const available = service.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True');
    const fresh: Known = { remote, spec: service.spec, available: available === true, failures: 0 };
    this.#remotes.set(key, fresh);
    this.#publish(fresh, []);
    void this.#check(key, fresh);
  }

  #forget(key: string): void {
    const known = this.#remotes.get(key);
    if (known === undefined) return;
    this.#end(known);
    this.#remotes.delete(key);
    this.#options.registry.resources.remote.delete(key);
  }

  #end({ timer, remote }: Known): void {
    timer?.cancel();
    remote.close();
  }

  #publish(
    { remote: { group, version }, available }: Known,
    resources: readonly Readonly<Record<string, any>>[],
  ): void {
    const { remote } = this.#options.registry.resources;
    remote.set(`${group}/${version}`, { group, version, available, resources });
  }

  async #check(key: string, known: Known): Promise<void> {
    const { registry, clock, failed } = this.#options;
    try {
      const { condition, resources } = await lookAt(registry, known.remote);
      if (this.#closed || this.#remotes.get(key) !== known) return;
      const wasAvailable = known.available;
      known.available = condition.status === 'True';
      if (wasAvailable && !known.available) this.#lost.with(nameOf(key), condition.reason ?? '').add();
      known.failures = known.available ? 0 : known.failures + 1;
      this.#publish(known, resources ?? registry.resources.remote.get(key)?.resources ?? []);
      await this.#tell(known, { type: 'Available', ...condition });
    } catch (error) {
      if (!this.#closed) failed(error);
      known.failures++;
    }
    if (this.#closed || this.#remotes.get(key) !== known) return;
    const wait = known.failures === 0 ? checkEvery : Math.min(checkEvery, retryFirst * 2 ** (known.failures - 1));
    known.timer = clock.after(wait, () => void this.#check(key, known));
  }

  async #tell({ remote: { group, version } }: Known, told: APIServiceCondition): Promise<void> {
    const { registry, clock } = this.#options;
    const service = this.#cache.entries.get(`${this.#resource.prefix}${version}.${group}`)?.object;
    if (service === undefined) return;
    const before: APIServiceCondition[] = service.status?.conditions ?? [];
    const known = before.find(({ type }) => type === told.type);
    if (known?.status === told.status && known.reason === told.reason && known.message === told.message) return;
    const lastTransitionTime = known?.status === told.status ? known.lastTransitionTime : formatTime(clock.now());
    const conditions = [...before.filter(({ type }) => type !== told.type), { ...told, lastTransitionTime }];
    await writeAsServer(registry, this.#resource, service, (current) => ({
      ...current,
      status: { ...current.status, conditions },
    }));
  }

  /** Who answers for a path; undefined: this server does. */
  find(path: string): Known | undefined {
    if (this.#remotes.size === 0) return undefined;
    // what it says of itself (OpenAPI) is its own, too
    const start = ['/apis/', '/openapi/v3/apis/'].find((one) => path.startsWith(one));
    if (start === undefined) return undefined;
    const [group, version] = path.slice(start.length).split('/', 2);
    return this.#remotes.get(`${group}/${version}`);
  }

  /** Asks whoever answers for the path and passes the answer on. Answers its code. */
  async serve({ remote, available }: Known, exchange: Exchange, user: User): Promise<number> {
    if (!available) throw StatusError.serviceUnavailable('service unavailable');
    const hasBody = exchange.method !== 'GET' && exchange.method !== 'HEAD';
    const body = hasBody ? await exchange.body(bodyLimit) : undefined;
    const { path, query, method, signal } = exchange;
    const full = query.size > 0 ? `${path}?${query}` : path;
    const answer = await remote
      .ask({ method, path: full, headers: passedOn(exchange), body, user, signal })
      .catch((error: Error) => {
        const told = `error trying to reach service: ${error.message}`;
        throw new StatusError('ServiceUnavailable', told);
      });
    const code = answer.statusCode ?? 502;
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(answer.headers))
      if (value !== undefined && !hop.has(name)) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    signal.addEventListener('abort', () => answer.destroy(), { once: true });
    pour(this.#options.clock, answer, exchange, code, headers);
    return code;
  }

  /** The upgrade itself is between the client and whoever answers for the path. */
  async upgrade({ remote, available }: Known, exchange: Exchange, user: User, upgrade: Upgrade): Promise<void> {
    if (!available) throw StatusError.serviceUnavailable('service unavailable');
    const { path, query, method } = exchange;
    const full = query.size > 0 ? `${path}?${query}` : path;
    const headers = { ...passedOn(exchange), ...upgrading(exchange) };
    const upstream = await remote.connect({ method, path: full, headers, user }).catch((error: Error) => {
      throw StatusError.serviceUnavailable(`error trying to reach service: ${error.message}`);
    });
    if (upgrade.head.length > 0) upstream.write(upgrade.head);
    firstCode(upstream, upgrade.answered);
    join(upgrade.socket, upstream);
  }
}

/** What a connection is upgraded by; a token that came as a protocol is for this server alone. */
function upgrading({ headers }: Exchange): Record<string, string | string[]> {
  const { connection = 'Upgrade', upgrade = '', 'sec-websocket-protocol': protocols } = headers;
  if (protocols === undefined) return { connection, upgrade };
  const others = String(protocols)
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !one.startsWith('base64url.bearer.authorization.k8s.io.'));
  return { connection, upgrade, 'sec-websocket-protocol': others.join(', ') };
}

/** For one hop alone, or for this server alone. */
const hop = new Set([
  'authorization',
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Nobody but this server says who asks. */
function passedOn(exchange: Exchange): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(exchange.headers)) {
    const own = name.startsWith('x-remote-') || name.startsWith('impersonate-') || name.startsWith(':');
    if (value !== undefined && !own && !hop.has(name)) passed[name] = value;
  }
  return passed;
}

function keyOf({ spec }: APIService): string {
  return `${spec.group ?? ''}/${spec.version ?? ''}`;
}

/** `v1.example.com` */
function nameOf(key: string): string {
  const [group, version] = key.split('/');
  return `${version}.${group}`;
}

/** Resolves once what is served here has its APIServices. */
export async function startAggregation(options: AggregationOptions): Promise<Aggregation> {
  const { resources } = options.registry;
  const served = resources.find('apiregistration.k8s.io', 'v1', 'apiservices');
  if (served === undefined) throw new Error('apiservices are not served');
  const aggregation = new Aggregation(options, served, await resources.cache(served));
  await aggregation.start();
  return aggregation;
}
