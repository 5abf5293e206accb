import type { Clock, Random } from '../machinery/index.ts';

export interface BackoffOptions {
  clock: Clock;
  random: Random;
  /** Milliseconds before the first retry. */
  base: number;
  max: number;
  /** After this many milliseconds without a failure it begins from the start. */
  resetAfter: number;
}

/** How long to wait after a failure: twice as long each time, and up to twice that by chance, so that many do not come back at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  next(): number {
    const { clock, random, base, max, resetAfter } = this.#options;
    const now = clock.monotonic();
    if (now - this.#last > resetAfter) this.#failures = 0;
    this.#last = now;
    const delay = Math.min(base * 2 ** this.#failures++, max);
    return delay * (1 + random.next());
  }
}
