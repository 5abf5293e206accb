/** Repeats what may succeed next time, waiting longer each time. */
import type { Clock, Random } from '../../../machinery/index.ts';
import { ImageError } from '../errors.ts';

export interface Retry {
  clock: Clock;
  random: Random;
  /** Tries in all. */
  attempts: number;
  /** Milliseconds before the second try; doubled each time, 10 s at most, and half of it by chance. */
  delay: number;
}

/** A failure that may pass: a 5xx, a 429, a broken connection. */
export class Transient extends ImageError {
  /** Milliseconds that the registry asked to wait. */
  readonly retryAfter: number | undefined;
  constructor(message: string, retryAfter?: number, cause?: unknown) {
    super('RegistryUnavailable', message, cause);
    this.name = 'Transient';
    this.retryAfter = retryAfter;
  }
}

const longest = 10_000;

export function delayBefore(attempt: number, error: unknown, { delay, random }: Retry): number {
  const asked = error instanceof Transient ? error.retryAfter : undefined;
  if (asked !== undefined) return Math.min(asked, 60_000);
  const full = Math.min(longest, delay * 2 ** (attempt - 1));
  return full / 2 + (full / 2) * random.next();
}

export function isTransient(error: unknown): boolean {
  return error instanceof Transient || (error instanceof Error && error.name === 'TransportError');
}

export async function retrying<T>(
  retry: Retry,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isTransient(error) || count >= retry.attempts) throw error;
      await retry.clock.sleep(delayBefore(count, error, retry), signal);
    }
  }
}
