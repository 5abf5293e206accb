/**
 * Time and chance, passed in. Nothing below `cmd/` reads the wall clock, sets a timer or draws a random number except
 * through these two, so a whole cluster can run in virtual time and be replayed from a seed.
 */

export interface Timer {
  /** Stops the timer; calling it again, or after it fired, does nothing. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds that only grow, for measuring how long something took. */
  monotonic(): number;
  /** Calls once, after at least `milliseconds`. A pending timer does not keep the process alive. */
  after(milliseconds: number, call: () => void): Timer;
  /** Calls again and again until cancelled. */
  every(milliseconds: number, call: () => void): Timer;
  /** Resolves after `milliseconds`; rejects with the signal's reason once it is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A version 4 UUID. */
  uuid(): string;
  /** `length` characters of the alphabet that Kubernetes uses for generated names (no vowels, no look-alikes). */
  suffix(length: number): string;
}

const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A `Random` over any source of numbers in [0, 1). */
export function randomFrom(next: () => number): Random {
  const word = () => Math.floor(next() * 2 ** 32);
  return {
    next,
    uuid: () => uuidOf(word(), word(), word(), word()),
    suffix: (length) => Array.from({ length }, () => nameAlphabet[Math.floor(next() * nameAlphabet.length)]).join(''),
  };
}

const hexadecimal = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, '0'));

/** Of 122 of these 128 bits: the others say that it is a version 4. */
function uuidOf(a: number, b: number, c: number, d: number): string {
  const version = hexadecimal[(b & 0x0fff) | 0x4000]!;
  const variant = hexadecimal[((c >>> 16) & 0x3fff) | 0x8000]!;
  const head = `${hexadecimal[a >>> 16]!}${hexadecimal[a & 0xffff]!}-${hexadecimal[b >>> 16]!}-${version}-${variant}`;
  return `${head}-${hexadecimal[c & 0xffff]!}${hexadecimal[d >>> 16]!}${hexadecimal[d & 0xffff]!}`;
}

/** A `Random` that gives the same draws for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return randomFrom(() => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  });
}

/** meta/v1 `Time`: RFC 3339 in UTC, whole seconds. */
export function formatTime(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1000);
  // most are asked for again and again: it is always now
  if (second !== lastSecond) {
    lastFormatted = `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastFormatted;
}

let lastSecond = Number.NaN;
let lastFormatted = '';

/** meta/v1 `MicroTime`: RFC 3339 in UTC, six decimals. */
export function formatMicroTime(milliseconds: number): string {
  const iso = new Date(Math.floor(milliseconds)).toISOString();
  const micros = Math.floor((milliseconds - Math.floor(milliseconds)) * 1000);
  return `${iso.slice(0, 23)}${String(micros).padStart(3, '0')}Z`;
}
