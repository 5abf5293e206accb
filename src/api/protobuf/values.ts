/** Values that protobuf and JSON write differently: times, durations, bytes, JSON inside of protobuf. */
import { ProtobufError } from './error.ts';

/** How deep JSON inside of protobuf may be nested. */
const jsonDepthLimit = 1000;
/** Of the years 1 and 9999, in seconds since the epoch. */
const firstSecond = -62_135_596_800;
const lastSecond = 253_402_300_799;

/** Undefined for Go's zero time, which JSON leaves out. */
export function readTime(seconds: number): string | undefined {
  return seconds === firstSecond ? undefined : `${timeText(seconds)}Z`;
}

/** `nanos` is cut to microseconds. */
export function readMicroTime(seconds: number, nanos: number): string | undefined {
  if (nanos < 0 || nanos > 999_999_999)
    throw new ProtobufError(`a time has ${nanos} nanoseconds: they must be from 0 to 999999999`);
  if (seconds === firstSecond && nanos === 0) return undefined;
  return `${timeText(seconds)}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

function timeText(seconds: number): string {
  if (!(seconds >= firstSecond && seconds <= lastSecond))
    throw new ProtobufError(`a time of ${seconds} seconds since 1970 is not within the years 1 to 9999`);
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

/** Seconds since the epoch and nanoseconds; undefined if the text is no RFC 3339 time. */
export function parseTime(text: string): { seconds: number; nanos: number } | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const milliseconds = match ? Date.parse(match[1]! + match[3]!) : Number.NaN;
  if (Number.isNaN(milliseconds)) return undefined;
  return { seconds: milliseconds / 1000, nanos: Number((match![2] ?? '').padEnd(9, '0')) };
}

/** As Go prints a duration: `1h2m3.5s`, `1.5ms`, `0s`. Exact up to 2⁵³ ns, about 104 days; above that to the nearest 2 ns or so. */
export function readDuration(nanos: number): string {
  const sign = nanos < 0 ? '-' : '';
  const size = Math.abs(nanos);
  if (size === 0) return '0s';
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${decimal(size, 3)}µs`;
  if (size < 1e9) return `${sign}${decimal(size, 6)}ms`;
  const minutes = Math.floor(size / 6e10);
  const rest = `${decimal(size - minutes * 6e10, 9)}s`;
  if (minutes === 0) return sign + rest;
  return minutes < 60 ? `${sign}${minutes}m${rest}` : `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${rest}`;
}

function decimal(value: number, digits: number): string {
  const text = String(value).padStart(digits + 1, '0');
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`.replace(/\.?0+$/, '');
}

const units: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 6e10, h: 3.6e12 };

/** In nanoseconds; undefined if Go would not read the text as a duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text);
  if (!match) return undefined;
  let nanos = 0;
  for (const [, number, unit] of match[2]!.matchAll(/([\d.]+)([^\d.]+)/g)) {
    const [whole = '', part = ''] = number!.split('.');
    nanos += Number(whole) * units[unit!]! + Math.floor(Number(`0.${part || '0'}`) * units[unit!]! + 1e-6);
  }
  return match[1] === '-' ? -nanos : nanos;
}

const chunk = 8192;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += chunk)
    text += String.fromCharCode.apply(undefined, bytes.subarray(i, i + chunk) as unknown as number[]);
  return btoa(text);
}

/** Undefined if the text is not base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function readJson(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new ProtobufError(`an embedded object is neither protobuf nor valid JSON: ${(error as Error).message}`);
  }
  checkJson(value, jsonDepthLimit);
  return value;
}

function checkJson(value: unknown, left: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (left === 0) throw new ProtobufError(`an embedded object is nested deeper than ${jsonDepthLimit} levels`);
  if (Object.hasOwn(value, '__proto__')) throw new ProtobufError('a field may not be named "__proto__"');
  for (const name in value) checkJson((value as Record<string, unknown>)[name], left - 1);
}
