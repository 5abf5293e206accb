/** A request while it is served: the seat that it holds, and what is counted of it. */
import type { Clock } from '../machinery/index.ts';
import type { Exchange } from './exchange.ts';
import type { Fairness, Place as Seat } from './fairness/index.ts';
import { isLongRunning, type Manner, type Metrics, plain } from './metrics.ts';
import type { RequestInfo, User } from './request.ts';

export interface Host {
  readonly fairness: Fairness;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export class Visit {
  readonly #host: Host;
  readonly #exchange: Exchange;
  readonly #started: number;
  #info: RequestInfo | undefined;
  #seat: Seat | undefined;
  #forget: (() => void) | undefined;
  /** Of the answer; below zero: not known. */
  bytes = -1;

  constructor(host: Host, exchange: Exchange) {
    this.#host = host;
    this.#exchange = exchange;
    this.#started = host.clock.monotonic();
  }

  take(user: User, info: RequestInfo): Promise<void> | undefined {
    this.#info = info;
    const exchange = this.#exchange;
    const asked = { user, info, query: () => exchange.query, signal: () => exchange.signal };
    const seat = this.#host.fairness.admit(asked, (headers) => {
      exchange.standing = headers;
    });
    if (seat instanceof Promise) return this.#wait(seat, info);
    this.#sit(seat, info);
    return undefined;
  }

  async #wait(seat: Promise<Seat>, info: RequestInfo): Promise<void> {
    const { metrics, clock } = this.#host;
    const began = clock.monotonic();
    metrics.waits(info, 1);
    try {
      this.#sit(await seat, info);
    } finally {
      metrics.waits(info, -1);
      this.#exchange.took?.('apf-queue-wait', clock.monotonic() - began);
    }
  }

  #sit(seat: Seat | undefined, info: RequestInfo): void {
    this.#seat = seat;
    if (seat !== undefined) this.#host.metrics.executes(info, 1);
    if (info.verb === 'watch') this.#forget = this.#host.fairness.watchers.register(info);
  }

  turnedAway(code: number): void {
    if (this.#info !== undefined) this.#host.metrics.turnedAway(this.#info, code);
  }

  /** The answer is on its way, or has begun where it is long: then the rest goes on for as long as the client stays. */
  over(code: number): void {
    const info = this.#info;
    const { metrics } = this.#host;
    if (this.#seat !== undefined) {
      this.#seat.over();
      metrics.executes(info!, -1);
    }
    if (info === undefined) return;
    if (!isLongRunning(info)) return this.#count(info, code);
    const leave = () => {
      this.#forget?.();
      this.#count(info, code);
    };
    const { signal } = this.#exchange;
    if (code >= 400 || signal.aborted) return leave();
    const closed = metrics.longRunning(info);
    if (this.#exchange.query.get('sendInitialEvents') === 'true') metrics.watchListed(info, this.#seconds());
    signal.addEventListener('abort', () => (closed(), leave()), { once: true });
  }

  #count(info: RequestInfo, code: number): void {
    const { method } = this.#exchange;
    const manner = method === 'GET' ? plain : mannerOf(this.#exchange);
    this.#host.metrics.request(info, manner, code, this.#seconds(), this.bytes);
  }

  #seconds(): number {
    return (this.#host.clock.monotonic() - this.#started) / 1000;
  }
}

function mannerOf({ method, query, headers }: Exchange): Manner {
  const dryRun = query.has('dryRun');
  const apply = method === 'PATCH' && headers['content-type'] === 'application/apply-patch+yaml';
  return dryRun || apply ? { dryRun, apply } : plain;
}
