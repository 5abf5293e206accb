/** Time that stands still until it is moved. */
import type { Clock, Timer } from './time.ts';
import { Timers } from './timers.ts';

export interface VirtualClockOptions {
  /** Milliseconds since the Unix epoch. */
  start: number;
  /** Lets what is under way come to rest: called before time moves on. */
  settle(): Promise<void>;
  /**
   * Timers due within so many milliseconds fire together, in order, each at its own time, with the rest settled only after them: many things at
   * once cost less, and see each other as late as they would on a busy machine. 0 (the standard): one by one.
   */
  grain?: number;
}

export class VirtualClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #settle: () => Promise<void>;
  readonly #grain: number;
  #order = 0;
  readonly #timers = new Timers();

  constructor({ start, settle, grain = 0 }: VirtualClockOptions) {
    this.#now = start;
    this.#start = start;
    this.#settle = settle;
    this.#grain = grain;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  after(milliseconds: number, call: () => void): Timer {
    const pending = { at: this.#now + Math.max(0, milliseconds), order: this.#order++, call, cancelled: false };
    this.#timers.add(pending);
    return { cancel: () => void (pending.cancelled = true) };
  }

  every(milliseconds: number, call: () => void): Timer {
    let timer: Timer;
    const again = () => {
      timer = this.after(milliseconds, again);
      call();
    };
    timer = this.after(milliseconds, again);
    return { cancel: () => timer.cancel() };
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        timer.cancel();
        reject(signal!.reason);
      };
      const timer = this.after(milliseconds, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /** When the next timer is due; undefined when there is none. */
  next(): number | undefined {
    return this.#timers.first()?.at;
  }

  /** Moves on by so much, firing what comes due, in order, and letting each have its consequences. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      await this.#settle();
      const due = this.next();
      if (due === undefined || due > until) break;
      const last = Math.min(until, due + this.#grain);
      do this.#fire();
      while (this.#grain > 0 && (this.next() ?? Number.POSITIVE_INFINITY) <= last);
    }
    this.#now = until;
    await this.#settle();
  }

  #fire(): void {
    const due = this.#timers.first()!;
    this.#timers.removeFirst();
    this.#now = Math.max(this.#now, due.at);
    due.call();
  }
}
