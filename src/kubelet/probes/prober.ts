/**
 * One probe of one running container: tries at its period, counts, and tells when its verdict changes. A container that was not
 * ready yet is also asked between, at growing distances, so that it is found ready soon after it is; those tries do not count
 * as failures.
 */
import type { Clock, Timer } from '../../machinery/index.ts';
import type { Probe } from '../kinds.ts';
import type { Outcome } from './outcome.ts';

/** Milliseconds until the first try out of turn; each further one waits twice as long. */
const firstPause = 5;

export type ProbeType = 'startup' | 'liveness' | 'readiness';

export interface ProberOptions {
  clock: Clock;
  probe: Probe;
  type: ProbeType;
  /** When the container was started, milliseconds since the epoch. */
  startedAt: number;
  /** What holds before anything was tried. */
  initial: boolean;
  /** Milliseconds that the first try waits besides the probe's own initial delay. */
  jitter?: number;
  /** One try; `timeout` in milliseconds. A rejection counts as no answer at all. */
  attempt(timeout: number, signal: AbortSignal): Promise<Outcome>;
  /** Every try that failed, for events. */
  onFailure(output: string): void;
  /** The verdict changed. */
  onResult(good: boolean): void;
}

export class Prober {
  readonly #options: ProberOptions;
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #good: boolean;
  #wasGood = false;
  #last: boolean | undefined;
  #run = 0;
  #pause = firstPause;
  /** When the next try is due by the period, on the monotonic clock. */
  #due = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#good = options.initial;
  }

  get good(): boolean {
    return this.#good;
  }

  /** The first try is due once the initial delay since the container's start is over. */
  start(): void {
    const { clock, probe, startedAt, jitter = 0 } = this.#options;
    const due = startedAt + (probe.initialDelaySeconds ?? 0) * 1000;
    this.#schedule(Math.max(0, due - clock.now()) + jitter);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopping.abort();
  }

  #schedule(milliseconds: number, between = false): void {
    if (this.#stopping.signal.aborted) return;
    this.#timer = this.#options.clock.after(milliseconds, () => void this.#try(between));
  }

  async #try(between: boolean): Promise<void> {
    const { clock, probe, attempt } = this.#options;
    if (!between) this.#due = clock.monotonic() + (probe.periodSeconds ?? 10) * 1000;
    let outcome: Outcome | undefined;
    try {
      outcome = await attempt((probe.timeoutSeconds ?? 1) * 1000, this.#stopping.signal);
    } catch (error) {
      if (!between) this.#options.onFailure((error as Error).message);
    }
    if (this.#stopping.signal.aborted) return;
    const counts = outcome !== undefined && (outcome.ok || !between);
    if (counts && this.#count(outcome!)) return;
    this.#next();
  }

  #next(): void {
    const rest = Math.max(0, this.#due - this.#options.clock.monotonic());
    if (!this.#isAwaited() || this.#pause >= rest) return this.#schedule(rest);
    this.#schedule(this.#pause, true);
    this.#pause *= 2;
  }

  /** Not ready since its start, and cheap to ask: a command inside the container is not. */
  #isAwaited(): boolean {
    const { probe, type, initial } = this.#options;
    return type === 'readiness' && !initial && !this.#wasGood && !probe.exec && (probe.successThreshold ?? 1) === 1;
  }

  /** Returns whether this probe is done with this container. */
  #count({ ok, output }: Outcome): boolean {
    const { probe, type } = this.#options;
    if (!ok) this.#options.onFailure(output);
    this.#run = this.#last === ok ? this.#run + 1 : 1;
    this.#last = ok;
    const threshold = ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (this.#run < threshold) return false;
    this.#wasGood ||= ok;
    const final = type === 'startup' || (type === 'liveness' && !ok);
    if (this.#good !== ok || final) {
      this.#good = ok;
      this.#options.onResult(ok);
    }
    // What failed is restarted, and what has started needs no more asking: the next container gets a new probe.
    return final;
  }
}
