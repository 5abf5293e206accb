/** The real time and real chance: what `cmd/` passes in, and the one place outside it that touches them. */
import { type Clock, type Random, randomFrom, type Timer } from './time.ts';

const longest = 2 ** 31 - 1;

function timer(handle: ReturnType<typeof setTimeout>, clear: (handle: ReturnType<typeof setTimeout>) => void): Timer {
  (handle as { unref?: () => void }).unref?.();
  return { cancel: () => clear(handle) };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (milliseconds, call) => timer(setTimeout(call, Math.min(milliseconds, longest)), clearTimeout),
  every: (milliseconds, call) => timer(setInterval(call, milliseconds), clearInterval),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(handle);
        reject(signal!.reason);
      };
      const handle = setTimeout(
        () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        },
        Math.min(milliseconds, longest),
      );
      signal?.addEventListener('abort', stop, { once: true });
    }),
};

/** Cryptographic where it matters: names and UUIDs. */
export const systemRandom: Random = {
  ...randomFrom(() => {
    const word = new Uint32Array(1);
    crypto.getRandomValues(word);
    return word[0]! / 2 ** 32;
  }),
  next: () => Math.random(),
  uuid: () => crypto.randomUUID(),
};
