import type { Clock, Timer } from '../../machinery/index.ts';

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #now = 1_700_000_000_000;
  #timers = new Set<{ at: number; call: () => void }>();

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(milliseconds: number, call: () => void): Timer {
    const timer = { at: this.#now + milliseconds, call };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }
  every(milliseconds: number, call: () => void): Timer {
    let timer = this.after(milliseconds, function again(this: void) {});
    const arm = () => {
      timer = this.after(milliseconds, () => {
        arm();
        call();
      });
    };
    timer.cancel();
    arm();
    return { cancel: () => timer.cancel() };
  }
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.after(milliseconds, resolve);
      signal?.addEventListener('abort', () => {
        timer.cancel();
        reject(signal.reason);
      });
    });
  }

  /** Lets time pass: every timer in its turn, and all that follows from it. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
      await settle();
    }
    this.#now = until;
  }

  get pending(): number {
    return this.#timers.size;
  }
}

/** Lets everything that can happen without time passing happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}
