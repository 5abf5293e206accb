/**
 * Amounts of resources: `100m`, `1.5Gi`, `3e6`. Text in, text out, with the meaning, the rounding (up, to billionths) and the
 * canonical form of apimachinery's `resource.Quantity`. Exact at any size.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** The amount in billionths. */
  nanos: bigint;
  format: QuantityFormat;
}

const decimalSuffixes: Record<string, number> = {
  __proto__: null as never,
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binarySuffixes: Record<string, number> = {
  __proto__: null as never,
  Ki: 10,
  Mi: 20,
  Gi: 30,
  Ti: 40,
  Pi: 50,
  Ei: 60,
};
const decimalNames = new Map(Object.entries(decimalSuffixes).map(([name, exponent]) => [exponent, name]));
const binaryNames = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const shape = /^([+-]?)(\d*)(\.\d*)?([a-zA-Z]{0,2}|[eE][+-]?\d+)$/;
const one = 1_000_000_000n;
const largest = (1n << 63n) - 1n;
/** Longer ones are refused: no resource needs them, and exact arithmetic on them would be slow. */
const maxLength = 128;
const maxExponent = 100;

/** The amount that `text` names, or undefined when it is not a quantity. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = text.length <= maxLength ? shape.exec(text) : null;
  if (!match) return undefined;
  const [, sign, whole = '', fraction, suffix = ''] = match;
  if (whole === '' && (fraction === undefined || fraction === '.')) return undefined;
  const scale = scaleOf(suffix);
  if (!scale) return undefined;
  const digits = BigInt(whole + (fraction?.slice(1) ?? '') || '0');
  const places = fraction === undefined ? 0 : fraction.length - 1;
  let nanos = scaled(digits, scale, places);
  let { format } = scale;
  if (format === 'BinarySI') {
    if (nanos > largest * one) nanos = largest * one;
    if (nanos < one && nanos > 0n) format = 'DecimalSI';
  }
  return { nanos: sign === '-' ? -nanos : nanos, format };
}

function scaleOf(suffix: string): { two: number; ten: number; format: QuantityFormat } | undefined {
  const ten = decimalSuffixes[suffix];
  if (ten !== undefined) return { two: 0, ten, format: 'DecimalSI' };
  const two = binarySuffixes[suffix];
  if (two !== undefined) return { two, ten: 0, format: 'BinarySI' };
  if (!/^[eE][+-]?\d+$/.test(suffix)) return undefined;
  const exponent = Number(suffix.slice(1));
  return Math.abs(exponent) > maxExponent ? undefined : { two: 0, ten: exponent, format: 'DecimalExponent' };
}

function scaled(digits: bigint, { two, ten }: { two: number; ten: number }, places: number): bigint {
  const shift = 9 + ten - places;
  const amount = digits << BigInt(two);
  if (shift >= 0) return amount * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return (amount + divisor - 1n) / divisor;
}

/** The canonical text of an amount. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  if (format === 'BinarySI' && nanos % one === 0n && (nanos >= 1024n * one || nanos <= -1024n * one)) {
    let amount = nanos / one;
    let power = 0;
    while (amount % 1024n === 0n && power < 6) {
      amount /= 1024n;
      power++;
    }
    return `${amount}${binaryNames[power]}`;
  }
  let amount = nanos;
  let exponent = -9;
  while (amount % 1000n === 0n) {
    amount /= 1000n;
    exponent += 3;
  }
  if (exponent === 0) return `${amount}`;
  const name = format === 'DecimalExponent' ? undefined : decimalNames.get(exponent);
  return `${amount}${name ?? `e${exponent}`}`;
}

const canonicalCache = new Map<string, string>();
const cacheLimit = 4096;

/** The canonical text of a quantity as a manifest writes it (a number counts), or undefined when it is none. */
export function canonicalQuantity(value: string | number): string | undefined {
  const text = typeof value === 'number' ? String(value) : value.trim();
  const known = canonicalCache.get(text);
  if (known !== undefined) return known;
  const parsed = parseQuantity(text);
  if (!parsed) return undefined;
  const canonical = formatQuantity(parsed);
  if (canonicalCache.size >= cacheLimit) canonicalCache.clear();
  canonicalCache.set(text, canonical);
  return canonical;
}

function known(text: string): Quantity {
  const parsed = parseQuantity(text);
  if (!parsed) throw new RangeError(`${JSON.stringify(text)} is not a quantity, such as 100m, 1.5 or 64Mi`);
  return parsed;
}

/** Below 0, 0 or above 0, as `a` is less than, equal to or more than `b`. Throws RangeError on text that is no quantity. */
export function compareQuantities(a: string, b: string): number {
  const difference = known(a).nanos - known(b).nanos;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** `a + b`, in the format of `a` (of `b` when `a` is zero). */
export function addQuantities(a: string, b: string): string {
  return combine(known(a), known(b), 1n);
}

/** `a - b`, in the format of `a` (of `b` when `a` is zero). */
export function subtractQuantities(a: string, b: string): string {
  return combine(known(a), known(b), -1n);
}

function combine(a: Quantity, b: Quantity, sign: bigint): string {
  return formatQuantity({ nanos: a.nanos + sign * b.nanos, format: a.nanos === 0n ? b.format : a.format });
}

/** The amount as a whole number, rounded away from zero: bytes, pieces, cores. */
export function quantityValue(text: string): number {
  return Number(roundedAway(known(text).nanos, one));
}

/** The amount in thousandths, rounded away from zero: millicores. */
export function quantityMilliValue(text: string): number {
  return Number(roundedAway(known(text).nanos, 1_000_000n));
}

function roundedAway(nanos: bigint, unit: bigint): bigint {
  const exact = nanos / unit;
  return nanos % unit === 0n ? exact : exact + (nanos > 0n ? 1n : -1n);
}
