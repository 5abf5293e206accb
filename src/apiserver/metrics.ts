/**
 * What is counted of requests, under upstream's names. The series of a kind of request are looked up once and kept by what it asks for, so that
 * counting a request builds no text.
 */
import { type Counter, exponentialBuckets, type Family, type Gauge, type Histogram, type MetricSet } from '../machinery/index.ts';
import type { RequestInfo } from './request.ts';

const shape = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
const component = 'apiserver';
const durations = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
/** Of the service level: what a request waits for others is left out there, and nothing here waits. */
const levelDurations = durations.filter((bound) => bound >= 0.05);

/** The series of one kind of request. */
interface RequestSeries {
  readonly info: Pick<RequestInfo, 'verb' | 'group' | 'version' | 'subresource'>;
  readonly scope: string;
  readonly dryRun: boolean;
  readonly method: string;
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

const verbs: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT' };
/** A read of what is long or many is answered in pieces; its size is told of these. */
const reads = new Set(['GET', 'LIST']);
const resourcesLimit = 2000;

export class Metrics {
  readonly set: MetricSet;
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
  readonly #inflight: Readonly<Record<'readOnly' | 'mutating', Watermark>>;

  constructor(set: MetricSet, second: () => number) {
    this.set = set;
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
    this.#inflight = { readOnly: new Watermark(second), mutating: new Watermark(second) };
    set.read(
      'apiserver_current_inflight_requests',
      'gauge',
      'Most requests that were served at once in the last second',
      ['request_kind'],
      () => Object.entries(this.#inflight).map(([kind, watermark]) => [[kind], watermark.most()] as const),
    );
  }

  /** A request began to be served. */
  begin(info: RequestInfo): void {
    this.#watermark(info).add(1);
  }

  /** It was answered, or its long answer has begun. */
  end(info: RequestInfo): void {
    this.#watermark(info).add(-1);
  }

  /** `known`: there is such a resource; of others nothing is kept, as anybody can make up names. */
  request(
    info: RequestInfo,
    { dryRun, code, seconds, bytes, known }: { dryRun: boolean; code: number; seconds: number; bytes: number; known(): boolean },
  ): void {
    const found = this.#find(info, dryRun, known);
    if (found === undefined) return;
    let total = found.byCode.get(code);
    if (total === undefined) found.byCode.set(code, (total = found.total(code)));
    total.add();
    found.duration.observe(seconds);
    found.level?.observe(seconds);
    if (bytes >= 0) found.size?.observe(bytes);
  }

  turnedAway(info: RequestInfo, code: number): void {
    this.#terminations.with(...this.#labelsOf(info, methodOf(info), scopeOf(info)), String(code)).add();
  }

  /** A long-running request began; what comes back is called when it is over. */
  longRunning(info: RequestInfo): () => void {
    const gauge = this.#longRunning.with(...this.#labelsOf(info, methodOf(info), scopeOf(info)));
    gauge.add(1);
    return () => gauge.add(-1);
  }

  watch({ group, version, resource }: RequestInfo): WatchSeries {
    return {
      events: this.#watchEvents.with(group, version, resource),
      sizes: this.#watchSizes.with(group, version, resource),
    };
  }

  #watermark({ verb }: RequestInfo): Watermark {
    const isRead = verb === 'get' || verb === 'list' || verb === 'watch' || verb === 'head' || verb === 'options';
    return isRead ? this.#inflight.readOnly : this.#inflight.mutating;
  }

  #find(info: RequestInfo, dryRun: boolean, known: () => boolean): RequestSeries | undefined {
    const scope = scopeOf(info);
    let list = this.#series.get(info.resource);
    if (list !== undefined)
      for (const one of list)
        if (
          one.info.verb === info.verb &&
          one.scope === scope &&
          one.dryRun === dryRun &&
          one.info.subresource === info.subresource &&
          one.info.version === info.version &&
          one.info.group === info.group
        )
          return one;
    if (info.isResource && !known()) return undefined;
    if (list === undefined) {
      if (this.#series.size >= resourcesLimit) return undefined;
      this.#series.set(info.resource, (list = []));
    }
    const fresh = this.#make(info, dryRun, scope);
    list.push(fresh);
    return fresh;
  }

  #make(info: RequestInfo, dryRun: boolean, scope: string): RequestSeries {
    const method = methodOf(info);
    const labels = this.#labelsOf(info, method, scope);
    const [verb, ...rest] = labels as [string, ...string[]];
    const dry = dryRun ? 'All' : '';
    const { group, version, subresource } = info;
    const isLong = method === 'WATCH' || method === 'CONNECT' || info.subresource === 'log';
    return {
      info: { verb: info.verb, group, version, subresource },
      scope,
      dryRun,
      method,
      byCode: new Map(),
      duration: this.#durations.with(verb, dry, ...rest),
      level: isLong ? undefined : this.#levels.with(...labels),
      size: reads.has(method) ? this.#sizes.with(...labels) : undefined,
      total: (code) => this.#total.with(verb, dry, ...rest, String(code)),
    };
  }

  #labelsOf({ group, version, resource, subresource }: RequestInfo, method: string, scope: string): string[] {
    return [method, group, version, resource, subresource, scope, component];
  }
}

const connects = new Set(['exec', 'attach', 'portforward', 'proxy']);

/** The verb as metrics have it: that of HTTP, but where Kubernetes knows better. */
function methodOf({ verb, subresource, isResource }: RequestInfo): string {
  if (isResource && connects.has(subresource)) return 'CONNECT';
  return verbs[verb] ?? verb.toUpperCase();
}

function scopeOf({ name, verb, namespace, isResource }: RequestInfo): string {
  if (!isResource) return '';
  if (name !== '' || verb === 'create') return 'resource';
  return namespace !== '' ? 'namespace' : 'cluster';
}

/** The most that there was at once in this second and the one before. */
class Watermark {
  readonly #second: () => number;
  #at = 0;
  #now = 0;
  #most = 0;
  #before = 0;

  constructor(second: () => number) {
    this.#second = second;
  }

  add(by: 1 | -1): void {
    this.#now += by;
    if (by === 1 && this.#now > this.#most) {
      this.#turn();
      this.#most = Math.max(this.#most, this.#now);
    }
  }

  most(): number {
    this.#turn();
    return Math.max(this.#most, this.#before);
  }

  #turn(): void {
    const second = this.#second();
    if (second === this.#at) return;
    this.#before = second === this.#at + 1 ? this.#most : this.#now;
    this.#most = this.#now;
    this.#at = second;
  }
}
