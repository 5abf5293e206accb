/** Waits that double: 10 s, 20 s, 40 s … 5 min, and start again once nothing failed for ten minutes. */
import type { Clock } from '../machinery/index.ts';

interface Entry {
  milliseconds: number;
  updatedAt: number;
}

export class Backoff {
  readonly #clock: Clock;
  readonly #initial: number;
  readonly #max: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, initialMilliseconds = 10_000, maxMilliseconds = 300_000) {
    this.#clock = clock;
    this.#initial = initialMilliseconds;
    this.#max = maxMilliseconds;
  }

  /** The present wait of `key`, in milliseconds; 0 when it never failed. */
  get(key: string): number {
    return this.#entries.get(key)?.milliseconds ?? 0;
  }

  /** When `key` may be tried again after what happened at `since`; undefined when it may be tried now. */
  until(key: string, since: number): number | undefined {
    const entry = this.#entries.get(key);
    if (!entry || this.#expired(entry, since)) return undefined;
    const end = since + entry.milliseconds;
    return this.#clock.now() < end ? end : undefined;
  }

  /** As `until`, counted from the last failure itself. */
  untilSinceUpdate(key: string): number | undefined {
    const entry = this.#entries.get(key);
    return entry && this.until(key, entry.updatedAt);
  }

  /** Notes one more try (or failure) at `since`: the next wait is twice as long. */
  next(key: string, since: number): void {
    const entry = this.#entries.get(key);
    const milliseconds =
      !entry || this.#expired(entry, since) ? this.#initial : Math.min(entry.milliseconds * 2, this.#max);
    this.#entries.set(key, { milliseconds, updatedAt: this.#clock.now() });
  }

  reset(key: string): void {
    this.#entries.delete(key);
  }

  #expired(entry: Entry, since: number): boolean {
    return since - entry.updatedAt > this.#max * 2;
  }
}

/** `10s`, `2m40s`: how durations are printed in back-off messages. */
export function formatDuration(milliseconds: number): string {
  const total = milliseconds / 1000;
  if (total < 1) return `${Number(milliseconds.toFixed(3))}ms`;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = Number((total % 60).toFixed(3));
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`;
}
