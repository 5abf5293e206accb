import { type Clock, MetricSet } from '../machinery/index.ts';
import { DelayedKeys } from './delayed.ts';
import { queueSeries, type QueueSeries } from './queueseries.ts';

export interface WorkQueueOptions {
  clock: Clock;
  /** For metrics. */
  name?: string;
  metrics?: MetricSet | undefined;
  /** The first retry waits this many milliseconds, each further one twice as long, up to `maxDelay`. */
  baseDelay?: number;
  maxDelay?: number;
}

/** Milliseconds: work that takes less needs no rest. */
const briefWork = 10;
/** How many times as long as it was worked on a key rests, and for how many milliseconds at most. */
const restFactor = 8;
const longestRest = 2_000;

/**
 * Keys that need work. A key that is waiting is not queued twice; a key that is added while it is worked on is queued again
 * once that work is done, so nobody works on the same key at the same time and no change goes unseen. Keys come out in the
 * order they went in, higher priority first.
 *
 * A key whose work takes long rests afterwards, several times as long, so that the many changes of a large or a busy cluster (each pod of a set of
 * thousands) are looked at together instead of one by one. Where work is brief there is no rest, and in virtual time all of it is.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #series: QueueSeries;
  readonly #baseDelay: number;
  readonly #maxDelay: number;
  readonly #ready = new ReadyKeys();
  readonly #delayed: DelayedKeys;
  readonly #working = new Map<string, number>();
  /** Added again while they are worked on, by priority. */
  readonly #again = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  /** Until when, on the monotonic clock. */
  readonly #resting = new Map<string, number>();
  #getters: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor({ clock, name = '', metrics = new MetricSet(), baseDelay = 5, maxDelay = 1_000_000 }: WorkQueueOptions) {
    this.#clock = clock;
    this.#series = queueSeries(metrics, name, {
      depth: () => this.length,
      working: () => Array.from(this.#working.values(), (since) => (clock.monotonic() - since) / 1000),
    });
    this.#baseDelay = baseDelay;
    this.#maxDelay = maxDelay;
    this.#delayed = new DelayedKeys(clock, (key) => this.add(key));
  }

  /** Keys that are ready and not yet taken. */
  get length(): number {
    return this.#ready.size;
  }

  /** Keys that wait for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  add(key: string, priority = 0): void {
    if (this.#closed) return;
    if (this.#working.has(key)) {
      this.#again.set(key, Math.max(priority, this.#again.get(key) ?? priority));
      return;
    }
    const now = this.#clock.monotonic();
    const rest = (this.#resting.get(key) ?? now) - now;
    if (rest > 0) return this.#delayed.add(key, rest);
    this.#resting.delete(key);
    if (!this.#ready.add(key, priority, now)) return;
    this.#series.adds.add();
    this.#getters.shift()?.(this.#take());
  }

  /** Adds it after `milliseconds`, unless an earlier moment is already set. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#closed) return;
    if (milliseconds <= 0) this.add(key);
    else this.#delayed.add(key, milliseconds);
  }

  /** Adds it after a time that doubles with every call, until `forget`. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#series.retries.add();
    this.addAfter(key, Math.min(this.#baseDelay * 2 ** failures, this.#maxDelay));
  }

  /** The key is well: its next failure waits shortly again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often it was added by `addRateLimited` since it was last forgotten. */
  requeues(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, which is the caller's until `done`; undefined once the queue is shut down and empty. */
  get(): Promise<string | undefined> {
    const key = this.#take();
    if (key !== undefined || this.#closed) return Promise.resolve(key);
    return new Promise((resolve) => this.#getters.push(resolve));
  }

  done(key: string): void {
    const since = this.#working.get(key);
    if (since === undefined) return;
    this.#working.delete(key);
    const now = this.#clock.monotonic();
    this.#series.workDuration.observe((now - since) / 1000);
    if (now - since >= briefWork) this.rest(key, Math.min((now - since) * restFactor, longestRest));
    const priority = this.#again.get(key);
    if (priority === undefined) return;
    this.#again.delete(key);
    this.add(key, priority);
  }

  /** Lets the key wait for so many milliseconds before it comes out again, whoever adds it. */
  rest(key: string, milliseconds: number): void {
    const until = this.#clock.monotonic() + milliseconds;
    if (milliseconds > 0 && until > (this.#resting.get(key) ?? 0)) this.#resting.set(key, until);
  }

  /** Takes no more keys. Those that are ready still come out; those that wait for their time do not. */
  shutDown(): void {
    this.#closed = true;
    this.#delayed.clear();
    this.#again.clear();
    for (const resolve of this.#getters) resolve(undefined);
    this.#getters = [];
  }

  #take(): string | undefined {
    const next = this.#ready.take();
    if (next === undefined) return undefined;
    const now = this.#clock.monotonic();
    this.#working.set(next.key, now);
    this.#series.queueDuration.observe((now - next.since) / 1000);
    return next.key;
  }
}

interface Ready {
  key: string;
  since: number;
  priority: number;
}

/** First in, first out, by priority. A key that is raised leaves its former place to be skipped. */
class ReadyKeys {
  readonly #byKey = new Map<string, Ready>();
  /** Highest priority first; there is nearly always one. */
  readonly #lanes: { priority: number; queue: Ready[]; head: number }[] = [];

  get size(): number {
    return this.#byKey.size;
  }

  /** False when it was there already, at this priority or a higher one. */
  add(key: string, priority: number, now: number): boolean {
    const before = this.#byKey.get(key);
    if (before !== undefined && before.priority >= priority) return false;
    const ready = { key, since: before?.since ?? now, priority };
    this.#byKey.set(key, ready);
    this.#lane(priority).queue.push(ready);
    return before === undefined;
  }

  take(): Ready | undefined {
    for (const lane of this.#lanes) {
      while (lane.head < lane.queue.length) {
        const ready = lane.queue[lane.head++]!;
        if (lane.head > 1_024 && lane.head * 2 > lane.queue.length) {
          lane.queue = lane.queue.slice(lane.head);
          lane.head = 0;
        }
        if (this.#byKey.get(ready.key) !== ready) continue;
        this.#byKey.delete(ready.key);
        return ready;
      }
      lane.queue.length = 0;
      lane.head = 0;
    }
    return undefined;
  }

  #lane(priority: number) {
    const found = this.#lanes.find((lane) => lane.priority === priority);
    if (found !== undefined) return found;
    const lane = { priority, queue: [], head: 0 };
    this.#lanes.push(lane);
    this.#lanes.sort((a, b) => b.priority - a.priority);
    return lane;
  }
}
