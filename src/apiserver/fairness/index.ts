/**
 * API Priority and Fairness: who is served when more is asked than can be served at once. Every request is of a FlowSchema, which gives it to a
 * priority level; a level has seats, lends those it does not need, and lets the flows in it take turns. It promises that a request that finds a free
 * seat waits for nothing, not even a turn of the event loop; that no flow, however many requests it sends, keeps another of its level
 * waiting beyond its turn; and that what the objects say holds as soon as they are stored. Requests of this process (`local.ts`) take no seats, see
 * docs/decisions/2026-11-23-priority-and-fairness.md; long-running ones (exec, logs, proxies) none either, and a watch only until it is initialised.
 */
import type { FlowSchema, FlowSchemaSpec, PriorityLevelConfiguration } from '../../api/index.ts';
import { mandatoryFlowSchemas } from '../../api/index.ts';
import { type Clock, type MetricSet, StatusError, type Timer } from '../../machinery/index.ts';
import type { ResourceCache } from '../cache/index.ts';
import type { StandingHeaders } from '../exchange.ts';
import type { Registry } from '../registry/index.ts';
import type { RequestInfo, User } from '../request.ts';
import { Counts } from './counts.ts';
import { Dangling } from './dangling.ts';
import { dump } from './dump.ts';
import { ensure } from './ensure.ts';
import { estimate } from './estimate.ts';
import type { Followed } from './followed.ts';
import { type Level, Levels } from './levels.ts';
import { matches } from './match.ts';
import type { Flow, Ticket } from './queueset.ts';
import { dealHand } from './shuffle.ts';
import { Watchers } from './watchers.ts';

/** Seats of the whole server: upstream's 400 requests that read and 200 that write, together. */
export const defaultSeats = 600;

export interface FairnessOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly metrics: MetricSet;
  /** Requests that are served at once, those of the exempt level aside. Absent: 600. */
  readonly seats?: number;
  failed(error: unknown): void;
}

/** What somebody asks for. */
export interface Admission {
  readonly user: User;
  readonly info: RequestInfo;
  query(): URLSearchParams;
  /** Aborted when the client goes away. */
  signal(): AbortSignal;
}

/** Turned away: as upstream does it, in plain text and not as a Status. */
export class TooManyRequests extends StatusError {
  readonly headers: Record<string, string>;

  constructor(retryAfterSeconds: number) {
    super('TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds });
    this.headers = {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'Retry-After': String(retryAfterSeconds),
    };
  }
}

/** What a kind of request of a user is found to be. */
interface Classified extends Flow {
  readonly level: Level;
  readonly headers: StandingHeaders;
}

/** A request's place: say `over` once it is answered, or as far as a watch is concerned initialised. */
export interface Place {
  readonly headers: StandingHeaders;
  over(): void;
}

const rebalanceEvery = 10_000;
const ensureEvery = 60_000;
/** A quarter of the minute that a request may take. */
const waitLimit = 15_000;
/** Of users, and of what each asks for: then it is forgotten and found again. */
const classifiedLimit = 5000;

/** What goes on long after it began: it takes no seat. */
const longRunning = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

interface Schema {
  readonly name: string;
  readonly uid: string;
  readonly spec: FlowSchemaSpec;
}

export class Fairness {
  readonly watchers = new Watchers();
  readonly #options: FairnessOptions;
  readonly #counts: Counts;
  readonly #levels: Levels;
  readonly #levelObjects: Followed;
  readonly #schemaObjects: Followed;
  readonly #dangling: Dangling;
  #schemas: Schema[] = [];
  /** By user, then by what is asked. */
  #classified = new Map<string, Map<string, Classified>>();
  #byUser = new WeakMap<User, Map<string, Classified>>();
  #classifiedCount = 0;
  #stale = false;
  #closed = false;
  readonly #timers: Timer[] = [];
  readonly #stops: (() => void)[];

  constructor(options: FairnessOptions, levelObjects: Followed, schemaObjects: Followed) {
    this.#options = options;
    this.#levelObjects = levelObjects;
    this.#schemaObjects = schemaObjects;
    this.#counts = new Counts(options.metrics);
    const { clock, seats = defaultSeats } = options;
    this.#levels = new Levels({ clock, counts: this.#counts, seats, reap: () => this.#changed() });
    this.#dangling = new Dangling(options.registry, schemaObjects, clock);
    const listener = { onEvents: () => this.#changed(), onEnd: () => {} };
    this.#stops = [levelObjects.cache.listen(listener), schemaObjects.cache.listen(listener)];
  }

  /** Resolves once the cluster has the objects that it needs, and they hold. */
  async start(): Promise<void> {
    const { registry, clock, failed } = this.#options;
    const keep = () => ensure(registry, this.#levelObjects, this.#schemaObjects);
    await keep();
    this.#digest();
    this.#timers.push(
      clock.every(rebalanceEvery, () => this.#levels.rebalance()),
      clock.every(ensureEvery, () => void keep().catch((error) => !this.#closed && failed(error))),
    );
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    for (const timer of this.#timers) timer.cancel();
    this.#levels.close();
  }

  /**
   * A place for the request: at once, or when one is free. Undefined: it needs none.
   * @throws TooManyRequests (or rejects with it) when there is none, and will not be soon enough
   */
  admit(asked: Admission, note: (headers: StandingHeaders) => void): Place | Promise<Place> | undefined {
    const { user, info } = asked;
    if (info.verb !== 'watch' && longRunning.has(info.subresource)) return undefined;
    const found = this.#classify(user, info);
    note(found.headers);
    const { level } = found;
    const { set } = level;
    const cacheOf = (of: RequestInfo) => this.#cacheOf(of);
    const work =
      level.spec.type === 'Exempt'
        ? oneSeat
        : estimate({ watchers: this.watchers, cacheOf }, info, asked.query, level.mostSeats, found.counts);
    found.counts.seats.observe(Math.max(work.initialSeats, work.finalSeats));
    const ticket = set.start(found, work, asked);
    if (ticket === undefined) {
      found.counts.waitedInVain.observe(0);
      throw this.#turnedAway(level);
    }
    if (ticket.state === 'executing') {
      if (level.spec.type !== 'Exempt') found.counts.waited.observe(0);
      return new Taken(ticket, found, info.verb === 'watch');
    }
    return this.#wait(ticket, found, asked);
  }

  async #wait(ticket: Ticket, found: Classified, { info, signal }: Admission): Promise<Place> {
    const granted = ticket.wait();
    const timer = this.#options.clock.after(waitLimit, () => ticket.giveUp());
    const gone = signal();
    const giveUp = () => ticket.giveUp();
    gone.addEventListener('abort', giveUp, { once: true });
    if (gone.aborted) giveUp();
    const isGranted = await granted;
    timer.cancel();
    gone.removeEventListener('abort', giveUp);
    const waited = ticket.set.now() - ticket.arrivedAt;
    (isGranted ? found.counts.waited : found.counts.waitedInVain).observe(waited);
    if (!isGranted) throw this.#turnedAway(found.level);
    return new Taken(ticket, found, info.verb === 'watch');
  }

  #turnedAway({ dropped }: Level): TooManyRequests {
    dropped.record(Math.floor(this.#options.clock.now() / 1000));
    return new TooManyRequests(dropped.retryAfter);
  }

  /** The page of /debug/api_priority_and_fairness/; undefined: there is none. */
  page(name: string, query: URLSearchParams): string | undefined {
    return dump(name, Array.from(this.#levels.byName.values()), query);
  }

  #classify(user: User, info: RequestInfo): Classified {
    let known = this.#byUser.get(user);
    if (known === undefined) {
      const key = `${user.name}\0${user.groups.join('\0')}`;
      known = this.#classified.get(key);
      if (known === undefined) this.#classified.set(key, (known = new Map()));
      this.#byUser.set(user, known);
    }
    const shape = info.isResource
      ? `${info.verb} ${info.group}/${info.resource}/${info.subresource} ${info.namespace}`
      : `${info.verb} ${info.path}`;
    const found = known.get(shape);
    if (found !== undefined) return found;
    if (this.#classifiedCount++ > classifiedLimit) this.#forget();
    const fresh = this.#find(user, info);
    known.set(shape, fresh);
    return fresh;
  }

  #find(user: User, info: RequestInfo): Classified {
    const schema = this.#schemas.find(({ spec }) => matches(spec, user, info)) ?? this.#schemas.at(-1)!;
    const level = this.#levels.byName.get(schema.spec.priorityLevelConfiguration.name)!;
    const { queues = 0, handSize = 0 } = level.spec.limited?.limitResponse?.queuing ?? {};
    const method = schema.spec.distinguisherMethod?.type;
    const of = method === 'ByUser' ? user.name : method === 'ByNamespace' ? info.namespace : '';
    const distinguisher = queues > 1 ? of : '';
    const canonical = {
      'X-Kubernetes-Pf-Flowschema-Uid': schema.uid,
      'X-Kubernetes-Pf-Prioritylevel-Uid': level.uid,
    };
    return {
      schema: schema.name,
      distinguisher,
      hand: queues > 0 ? dealHand(schema.name, distinguisher, queues, handSize) : [],
      counts: this.#counts.flow(level.name, schema.name),
      level,
      headers: {
        canonical,
        lowered: Object.fromEntries(Object.entries(canonical).map(([name, value]) => [name.toLowerCase(), value])),
      },
    };
  }

  #forget(): void {
    this.#classified = new Map();
    this.#byUser = new WeakMap();
    this.#classifiedCount = 0;
  }

  #changed(): void {
    if (this.#stale || this.#closed) return;
    this.#stale = true;
    queueMicrotask(() => {
      this.#stale = false;
      if (!this.#closed) this.#digest();
    });
  }

  /** Takes the objects as they are now. */
  #digest(): void {
    const objects = Array.from(this.#levelObjects.cache.entries.values(), ({ object }) => object);
    const levels = this.#levels.digest(objects as PriorityLevelConfiguration[]);
    const schemas = Array.from(this.#schemaObjects.cache.entries.values(), ({ object }) => object as FlowSchema)
      .filter(({ spec }) => levels.has(spec.priorityLevelConfiguration.name))
      .map(({ metadata, spec }) => ({ name: metadata.name!, uid: metadata.uid ?? '', spec }))
      .toSorted(byPrecedence);
    const missing = (name: string): Schema[] =>
      schemas.some((schema) => schema.name === name) ? [] : [{ name, uid: '', spec: mandatoryFlowSchemas[name]! }];
    this.#schemas = [...missing('exempt'), ...schemas, ...missing('catch-all')];
    this.#forget();
    void this.#dangling.tell(levels).catch((error) => {
      if (!this.#closed) this.#options.failed(error);
    });
  }

  #cacheOf({ group, version, resource }: RequestInfo): ResourceCache | undefined {
    const { resources } = this.#options.registry;
    const served = resources.find(group, version, resource);
    if (served === undefined || served.prefix === '') return undefined;
    const cache = resources.cache(served);
    return cache instanceof Promise ? undefined : cache;
  }
}

const oneSeat = { initialSeats: 1, finalSeats: 0, additionalLatency: 0 };

function byPrecedence(a: Schema, b: Schema): number {
  return (a.spec.matchingPrecedence ?? 1000) - (b.spec.matchingPrecedence ?? 1000) || (a.name < b.name ? -1 : 1);
}

class Taken implements Place {
  readonly headers: StandingHeaders;
  readonly #ticket: Ticket;
  readonly #found: Classified;
  readonly #isWatch: boolean;

  constructor(ticket: Ticket, found: Classified, isWatch: boolean) {
    this.headers = found.headers;
    this.#ticket = ticket;
    this.#found = found;
    this.#isWatch = isWatch;
  }

  over(): void {
    const { startedAt, set } = this.#ticket;
    const { executed, watchesInitialized } = this.#found.counts;
    (this.#isWatch ? watchesInitialized : executed).observe(set.now() - startedAt);
    this.#ticket.release();
  }
}

/** Resolves once it can be asked. */
export async function startFairness(options: FairnessOptions): Promise<Fairness> {
  const { resources } = options.registry;
  const follow = async (resource: string): Promise<Followed> => {
    const served = resources.find('flowcontrol.apiserver.k8s.io', 'v1', resource);
    if (served === undefined) throw new Error(`${resource} are not served`);
    return { served, cache: await resources.cache(served) };
  };
  const fairness = new Fairness(options, await follow('prioritylevelconfigurations'), await follow('flowschemas'));
  await fairness.start();
  return fairness;
}
