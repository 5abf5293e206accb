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

/** Drawn ahead: asking for one at a time costs a microsecond each, and a name has ten of them. */
const words = new Uint32Array(1_024);
let used = words.length;

function randomWord(): number {
  if (used === words.length) {
    crypto.getRandomValues(words);
    used = 0;
  }
  const word = words[used]!;
  words[used++] = 0;
  return word;
}

/** Cryptographic where it matters: names and UUIDs. */
export const systemRandom: Random = {
  ...randomFrom(() => randomWord() / 2 ** 32),
  next: () => Math.random(),
  uuid: () => crypto.randomUUID(),
};
