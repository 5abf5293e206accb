/**
 * What is counted of requests, under upstream's names. The series of a kind of request are looked up once and kept by what it asks for, so that
 * counting a request builds no text.
 */
import {
  type Counter,
  exponentialBuckets,
  type Family,
  type Gauge,
  type Histogram,
  type MetricSet,
} from '../machinery/index.ts';
import type { RequestInfo } from './request.ts';
import { Watermark } from './watermark.ts';

const shape = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
const component = 'apiserver';
const durations = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
/** Of the service level: what a request waits for others is left out there, and nothing here waits. */
const levelDurations = durations.filter((bound) => bound >= 0.05);

/** What a request says of itself beside what it asks for. */
export interface Manner {
  readonly dryRun: boolean;
  /** A patch by field owner, which has a verb of its own here. */
  readonly apply: boolean;
}

/** The series of one kind of request. */
interface RequestSeries {
  readonly info: Pick<RequestInfo, 'verb' | 'group' | 'version' | 'subresource'>;
  readonly scope: string;
  readonly manner: Manner;
  readonly byCode: Map<number, Counter>;
  readonly duration: Histogram;
  readonly level: Histogram | undefined;
  readonly size: Histogram | undefined;
  total(code: number): Counter;
}

/** What a watch tells of itself. */
export interface WatchSeries {
  readonly events: Counter;
  readonly sizes: Histogram;
}

/** Of what is called as a function, and so has no method; of paths the verb is the method. */
const methods: Readonly<Record<string, string>> = {
  get: 'GET',
  head: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  post: 'POST',
  update: 'PUT',
  put: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};
/** A read of what is long or many is answered in pieces; its size is told of these. */
const reads = new Set(['GET', 'LIST']);
const resourcesLimit = 2000;
/** Paths that say which they are. */
const toldPaths = new Set(['/healthz', '/livez', '/readyz', '/metrics', '/version', '/openapi/v2', '/openapi/v3']);

export interface MetricsOptions {
  readonly set: MetricSet;
  /** The second that it is. */
  second(): number;
  /** Whether there is such a resource: of others nothing is kept, as anybody can make up names. */
  known(info: RequestInfo): boolean;
}

export class Metrics {
  readonly set: MetricSet;
  /** Connections that could not be encrypted. */
  readonly strangers: Counter;
  readonly #total: Family<Counter>;
  readonly #durations: Family<Histogram>;
  readonly #levels: Family<Histogram>;
  readonly #sizes: Family<Histogram>;
  readonly #longRunning: Family<Gauge>;
  readonly #terminations: Family<Counter>;
  readonly #watchEvents: Family<Counter>;
  readonly #watchSizes: Family<Histogram>;
  /** By resource ('' for paths). */
  readonly #series = new Map<string, RequestSeries[]>();
  readonly #watchLists: Family<Histogram>;
  readonly #executing: Watermarks;
  readonly #waiting: Watermarks;
  readonly #known: (info: RequestInfo) => boolean;

  constructor({ set, second, known }: MetricsOptions) {
    this.set = set;
    this.#known = known;
    this.strangers = set
      .counter('apiserver_tls_handshake_errors_total', 'Connections that were to be encrypted and could not')
      .with();
    this.#total = set.counter('apiserver_request_total', 'Requests that were answered', [
      'verb',
      'dry_run',
      'group',
      'version',
      'resource',
      'subresource',
      'scope',
      'component',
      'code',
    ]);
    this.#durations = set.histogram(
      'apiserver_request_duration_seconds',
      'Time from the arrival of a request to its answer',
      ['verb', 'dry_run', ...shape.slice(1)],
      durations,
    );
    this.#levels = set.histogram(
      'apiserver_request_sli_duration_seconds',
      'Time that a request that is not long-running took here',
      shape,
      levelDurations,
    );
    this.#sizes = set.histogram(
      'apiserver_response_sizes',
      'Bytes of answers to reads',
      shape,
      exponentialBuckets(1000, 10, 7),
    );
    this.#longRunning = set.gauge('apiserver_longrunning_requests', 'Long-running requests that are open', shape);
    this.#terminations = set.counter(
      'apiserver_request_terminations_total',
      'Requests that were turned away to protect the server',
      [...shape, 'code'],
    );
    const watched = ['group', 'version', 'resource'];
    this.#watchEvents = set.counter('apiserver_watch_events_total', 'Events that watchers were sent', watched);
    this.#watchSizes = set.histogram(
      'apiserver_watch_events_sizes',
      'Bytes of events that watchers were sent',
      watched,
      exponentialBuckets(1024, 2, 8),
    );
    this.#watchLists = set.histogram(
      'apiserver_watch_list_duration_seconds',
      'Time until a watch that began with the state had it',
      [...watched, 'scope'],
      [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60],
    );
    this.#executing = { readOnly: new Watermark(second), mutating: new Watermark(second) };
    this.#waiting = { readOnly: new Watermark(second), mutating: new Watermark(second) };
    const most = (name: string, help: string, watermarks: Watermarks) =>
      set.read(name, 'gauge', help, ['request_kind'], () =>
        Object.entries(watermarks).map(([kind, watermark]) => [[kind], watermark.most()] as const),
      );
    most(
      'apiserver_current_inflight_requests',
      'Most requests that were served at once in the last second',
      this.#executing,
    );
    most('apiserver_current_inqueue_requests', 'Most requests that waited at once in the last second', this.#waiting);
  }

  /** A request waits for its turn, or does so no more. */
  waits(info: RequestInfo, by: 1 | -1): void {
    markOf(this.#waiting, info).add(by);
  }

  /** A request is served, or was answered (or its long answer has begun). */
  executes(info: RequestInfo, by: 1 | -1): void {
    markOf(this.#executing, info).add(by);
  }

  /** `bytes`: of the answer; below zero: not known. */
  request(info: RequestInfo, manner: Manner, code: number, seconds: number, bytes: number): void {
    const found = this.#find(info, manner);
    if (found === undefined) return;
    let total = found.byCode.get(code);
    if (total === undefined) found.byCode.set(code, (total = found.total(code)));
    total.add();
    found.duration.observe(seconds);
    found.level?.observe(seconds);
    if (bytes >= 0) found.size?.observe(bytes);
  }

  turnedAway(info: RequestInfo, code: number): void {
    if (info.isResource && !this.#known(info)) return;
    this.#terminations.with(...labelsOf(info, methodOf(info, plain)), String(code)).add();
  }

  /** A long-running request began; what comes back is called when it is over. */
  longRunning(info: RequestInfo): () => void {
    if (info.isResource && !this.#known(info)) return () => {};
    const gauge = this.#longRunning.with(...labelsOf(info, methodOf(info, plain)));
    gauge.add(1);
    return () => gauge.add(-1);
  }

  watch({ group, version, resource }: RequestInfo): WatchSeries {
    return {
      events: this.#watchEvents.with(group, version, resource),
      sizes: this.#watchSizes.with(group, version, resource),
    };
  }

  watchListed(info: RequestInfo, seconds: number): void {
    if (!this.#known(info)) return;
    this.#watchLists.with(info.group, info.version, info.resource, scopeOf(info)).observe(seconds);
  }

  #find(info: RequestInfo, manner: Manner): RequestSeries | undefined {
    const scope = scopeOf(info);
    let list = this.#series.get(info.resource);
    if (list !== undefined)
      for (const one of list)
        if (
          one.info.verb === info.verb &&
          one.scope === scope &&
          one.info.subresource === (info.isResource ? info.subresource : pathOf(info)) &&
          one.manner.dryRun === manner.dryRun &&
          one.manner.apply === manner.apply &&
          one.info.version === info.version &&
          one.info.group === info.group
        )
          return one;
    if (info.isResource && !this.#known(info)) return undefined;
    if (list === undefined) {
      if (this.#series.size >= resourcesLimit) return undefined;
      this.#series.set(info.resource, (list = []));
    }
    const fresh = this.#make(info, manner);
    list.push(fresh);
    return fresh;
  }

  #make(info: RequestInfo, manner: Manner): RequestSeries {
    const { verb, group, version } = info;
    const method = methodOf(info, manner);
    const labels = labelsOf(info, method);
    const rest = labels.slice(1);
    const dry = manner.dryRun ? 'All' : '';
    const isLong = method === 'WATCH' || method === 'CONNECT';
    return {
      info: { verb, group, version, subresource: labels[4]! },
      scope: labels[5]!,
      manner,
      byCode: new Map(),
      duration: this.#durations.with(method, dry, ...rest),
      level: isLong || manner.dryRun ? undefined : this.#levels.with(...labels),
      size: reads.has(method) ? this.#sizes.with(...labels) : undefined,
      total: (code) => this.#total.with(method, dry, ...rest, String(code)),
    };
  }
}

export const plain: Manner = { dryRun: false, apply: false };
/** What goes on for as long as the client stays. */
export function isLongRunning({ verb, subresource }: RequestInfo): boolean {
  return verb === 'watch' || connects.has(subresource);
}

const connects = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);

function labelsOf(info: RequestInfo, method: string): string[] {
  const { group, version, resource, subresource, isResource } = info;
  return [method, group, version, resource, isResource ? subresource : pathOf(info), scopeOf(info), component];
}

/** The verb as metrics have it: that of HTTP, but where Kubernetes knows better. */
function methodOf({ verb, subresource, isResource }: RequestInfo, { apply }: Manner): string {
  if (isResource && connects.has(subresource)) return 'CONNECT';
  if (apply) return 'APPLY';
  return methods[verb] ?? 'other';
}

function pathOf({ path }: RequestInfo): string {
  return toldPaths.has(path) ? path : '';
}

function scopeOf({ name, verb, namespace, isResource }: RequestInfo): string {
  if (!isResource) return '';
  if (name !== '' || verb === 'create') return 'resource';
  return namespace !== '' ? 'namespace' : 'cluster';
}

type Watermarks = Readonly<Record<'readOnly' | 'mutating', Watermark>>;

function markOf({ readOnly, mutating }: Watermarks, { verb }: RequestInfo): Watermark {
  return verb === 'get' || verb === 'list' || verb === 'watch' || verb === 'head' || verb === 'options'
    ? readOnly
    : mutating;
}
