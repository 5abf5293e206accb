/** From one type to another: `int('7')`. */
import { checkedTimestamp, doubleToInt, doubleToUint, formatDouble } from '../arithmetic.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes.ts';
import { type CallCost, overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { sizeOf, traversal } from '../size.ts';
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from '../time.ts';
import type { Timestamp } from '../values.ts';
import { checkedInt, Double, Duration, type Int, intOf, maxInt, maxUint, minInt, Uint } from '../values.ts';

const same = (a: unknown) => a;
const ofArgument: CallCost = ([a]) => traversal(sizeOf(a));

const unreadable = (type: string): never => fail(`type conversion error from 'string' to '${type}'`);

function intOfText(text: string): Int {
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text.replace(/^\+/, '')) : maxUint;
  return value < minInt || value > maxInt ? unreadable('int') : intOf(value);
}

function uintOfText(text: string): Uint {
  const value = /^\d+$/.test(text) ? BigInt(text) : -1n;
  return value < 0n || value > maxUint ? unreadable('uint') : new Uint(value);
}

const special: Record<string, number> = { nan: Number.NaN, inf: Infinity, infinity: Infinity };

function doubleOfText(text: string): Double {
  const named = special[text.replace(/^[+-]/, '').toLowerCase()];
  if (named !== undefined) return new Double(text.startsWith('-') ? -named : named);
  const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Infinity;
  return Number.isFinite(value) ? new Double(value) : unreadable('double');
}

const booleans: Record<string, boolean> = {};
for (const text of ['1', 't', 'T', 'true', 'TRUE', 'True']) booleans[text] = true;
for (const text of ['0', 'f', 'F', 'false', 'FALSE', 'False']) booleans[text] = false;

export function durationOfText(text: string): Duration {
  const nanos = parseDuration(text);
  return nanos === undefined ? unreadable('google.protobuf.Duration') : new Duration(nanos);
}

export function timestampOfText(text: string): Timestamp {
  const time = parseTimestamp(text);
  if (!time) return unreadable('google.protobuf.Timestamp');
  checkedTimestamp(time.seconds, time.nanos);
  return time;
}

export const conversions = [
  overload('bool_to_bool', 'bool(bool) -> bool', same),
  overload('string_to_bool', 'bool(string) -> bool', (a: string) => booleans[a] ?? unreadable('bool')),
  overload('bytes_to_bytes', 'bytes(bytes) -> bytes', same),
  overload('string_to_bytes', 'bytes(string) -> bytes', encodeUtf8, ofArgument),
  overload('double_to_double', 'double(double) -> double', same),
  overload('int64_to_double', 'double(int) -> double', (a: Int) => new Double(Number(a))),
  overload('string_to_double', 'double(string) -> double', doubleOfText),
  overload('uint64_to_double', 'double(uint) -> double', (a: Uint) => new Double(Number(a.value))),
  overload('duration_to_duration', 'duration(duration) -> duration', same),
  overload('int64_to_duration', 'duration(int) -> duration', (a: Int) => new Duration(BigInt(a))),
  overload('string_to_duration', 'duration(string) -> duration', durationOfText),
  overload('int64_to_int64', 'int(int) -> int', same),
  overload('double_to_int64', 'int(double) -> int', doubleToInt),
  overload('duration_to_int64', 'int(duration) -> int', (a: Duration) => intOf(a.nanos)),
  overload('string_to_int64', 'int(string) -> int', intOfText),
  overload('timestamp_to_int64', 'int(timestamp) -> int', (a: Timestamp) => a.seconds),
  overload('uint64_to_int64', 'int(uint) -> int', (a: Uint) => checkedInt(a.value)),
  overload('string_to_string', 'string(string) -> string', same),
  overload('bool_to_string', 'string(bool) -> string', String),
  overload(
    'bytes_to_string',
    'string(bytes) -> string',
    (a: Uint8Array) => decodeUtf8(a) ?? fail('invalid UTF-8 in bytes, cannot convert to string'),
    ofArgument,
  ),
  overload('double_to_string', 'string(double) -> string', (a: Double) => formatDouble(a.value)),
  overload('duration_to_string', 'string(duration) -> string', (a: Duration) => formatDuration(a.nanos)),
  overload('int64_to_string', 'string(int) -> string', String),
  overload('timestamp_to_string', 'string(timestamp) -> string', formatTimestamp),
  overload('uint64_to_string', 'string(uint) -> string', (a: Uint) => String(a.value)),
  overload('timestamp_to_timestamp', 'timestamp(timestamp) -> timestamp', same),
  overload('int64_to_timestamp', 'timestamp(int) -> timestamp', (a: Int) => checkedTimestamp(Number(a), 0)),
  overload('string_to_timestamp', 'timestamp(string) -> timestamp', timestampOfText),
  overload('uint64_to_uint64', 'uint(uint) -> uint', same),
  overload('double_to_uint64', 'uint(double) -> uint', doubleToUint),
  overload('int64_to_uint64', 'uint(int) -> uint', (a: Int) =>
    a < 0 ? fail('unsigned integer overflow') : new Uint(BigInt(a)),
  ),
  overload('string_to_uint64', 'uint(string) -> uint', uintOfText),
];

/** A call of one of these with a constant is a constant. */
export const conversionNames = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'dyn',
  'int',
  'string',
  'timestamp',
  'type',
  'uint',
]);
