/** Arithmetic with the limits of 64 bits; beyond them is an error of the language, never another value. */
import { fail } from './failure.ts';
import type { Double } from './values.ts';
import { checkedInt, Duration, type Int, maxInt, maxUint, minInt, Timestamp, Uint } from './values.ts';

export function addInts(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return checkedInt(BigInt(a) + BigInt(b));
}

export function subtractInts(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return checkedInt(BigInt(a) - BigInt(b));
}

export function multiplyInts(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product === 0 ? 0 : product;
  }
  return checkedInt(BigInt(a) * BigInt(b));
}

export function divideInts(a: Int, b: Int): Int {
  if (b === 0) return fail('division by zero');
  if (typeof a === 'number' && typeof b === 'number') {
    const quotient = (a - (a % b)) / b;
    return quotient === 0 ? 0 : quotient;
  }
  return checkedInt(BigInt(a) / BigInt(b));
}

export function remainderInts(a: Int, b: Int): Int {
  if (b === 0) return fail('modulus by zero');
  if (typeof a === 'number' && typeof b === 'number') {
    const rest = a % b;
    return rest === 0 ? 0 : rest;
  }
  if (BigInt(a) === minInt && b === -1) return fail('integer overflow');
  return checkedInt(BigInt(a) % BigInt(b));
}

export function negateInt(a: Int): Int {
  return typeof a === 'number' ? (a === 0 ? 0 : -a) : checkedInt(-a);
}

export function uintOf(value: bigint): Uint {
  return value < 0n || value > maxUint ? fail('unsigned integer overflow') : new Uint(value);
}

export function durationOf(nanos: bigint): Duration {
  return nanos < minInt || nanos > maxInt ? fail('integer overflow') : new Duration(nanos);
}

const minSeconds = -62135596800;
const maxSeconds = 253402300799;
const billion = 1_000_000_000n;

export function timestampOf(nanos: bigint): Timestamp {
  let seconds = nanos / billion;
  let rest = nanos % billion;
  if (rest < 0n) {
    seconds--;
    rest += billion;
  }
  return checkedTimestamp(Number(seconds), Number(rest));
}

export function checkedTimestamp(seconds: number, nanos: number): Timestamp {
  return seconds < minSeconds || seconds > maxSeconds ? fail('timestamp overflow') : new Timestamp(seconds, nanos);
}

export const nanosOf = (time: Timestamp): bigint => BigInt(time.seconds) * billion + BigInt(time.nanos);

/** The int of a double, its fraction dropped. */
export function doubleToInt({ value }: Double): Int {
  if (Number.isNaN(value) || value <= -(2 ** 63) || value >= 2 ** 63) return fail('integer overflow');
  return checkedInt(BigInt(Math.trunc(value)));
}

export function doubleToUint({ value }: Double): Uint {
  if (Number.isNaN(value) || value < 0 || value >= 2 ** 64) return fail('unsigned integer overflow');
  return new Uint(BigInt(Math.trunc(value)));
}

/** The shortest decimal that is this double, as Go's `%g` writes it. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return value.toString().includes('e') ? expand(mantissa, power) : value.toString();
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function expand(mantissa: string, power: number): string {
  const digits = mantissa.replace(/[-.]/g, '');
  return `${mantissa.startsWith('-') ? '-' : ''}0.${'0'.repeat(-power - 1)}${digits}`;
}
