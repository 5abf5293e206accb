/** Time that stands still until a test moves it. */
import type { Clock, Timer } from '../machinery/index.ts';
import { Timers } from './timers.ts';

/** Lets everything that is ready to run do so: promises, and callbacks that were handed to the event loop. */
export async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

export class VirtualClock implements Clock {
  #now: number;
  readonly #start: number;
  #order = 0;
  readonly #timers = new Timers();

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
    this.#start = start;
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
      await settle();
      const due = this.#timers.first();
      if (due === undefined || due.at > until) break;
      this.#timers.removeFirst();
      this.#now = Math.max(this.#now, due.at);
      due.call();
    }
    this.#now = until;
    await settle();
  }
}

const external = new Set(['FSReqPromise', 'FSReqCallback', 'ProcessWrap']);
const patience = 5_000;

/**
 * Lets what is under way come to rest before time moves on: a chain of writes and watches needs a few turns of the event loop, files and
 * child processes as long as they take.
 */
export async function settle(turns = 4): Promise<void> {
  const until = performance.now() + patience;
  for (let quiet = 0; quiet < turns; quiet++) {
    await turn();
    if (!process.getActiveResourcesInfo().some((name) => external.has(name))) continue;
    if (performance.now() > until) return;
    quiet = -1;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
