/** Timestamps and durations as text, and the parts of a date in a time zone. */
import { Timestamp } from './values.ts';
import { fail } from './failure.ts';

const units: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const durationShape = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const durationPart = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g;

/** The nanoseconds of `1h30m`, `1.5s`, `-2ms`, with the rules of Go; undefined when it is none, or beyond 64 bits. */
export function parseDuration(text: string): bigint | undefined {
  if (!durationShape.test(text)) return undefined;
  let nanos = 0n;
  for (const [, whole, fraction = '', unit] of text.matchAll(durationPart)) {
    const scale = units[unit as string] as bigint;
    nanos += BigInt(whole || '0') * scale;
    const digits = fraction.slice(0, 18);
    if (digits !== '') nanos += (BigInt(digits) * scale) / 10n ** BigInt(digits.length);
  }
  const signed = text.startsWith('-') ? -nanos : nanos;
  return signed >= -(2n ** 63n) && signed < 2n ** 63n ? signed : undefined;
}

/** Seconds with as many decimals as are needed: `3600s`, `0.001s`. */
export function formatDuration(nanos: bigint): string {
  const magnitude = nanos < 0n ? -nanos : nanos;
  const fraction = String(magnitude % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${nanos < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}s`;
}

const timestampShape = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:(Z)|([+-])(\d{2}):(\d{2}))$/;

/** RFC 3339; undefined when it is none, or names a day that does not exist. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = timestampShape.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const offset = match[8] ? 0 : (Number(match[10]) * 60 + Number(match[11])) * (match[9] === '-' ? -1 : 1);
  if (hour > 23 || minute > 59 || second > 59 || Number(match[10] ?? 0) > 24 || Number(match[11] ?? 0) > 59)
    return undefined;
  const days = daysOf(year, month, day);
  if (days === undefined) return undefined;
  const seconds = days * 86400 + hour * 3600 + (minute - offset) * 60 + second;
  return new Timestamp(seconds, Number((match[7] ?? '').slice(0, 9).padEnd(9, '0')), offset);
}

/** Since the epoch; undefined for a day that does not exist. */
export function daysOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return date.getTime() / 86_400_000;
}

function formatOffset(minutes: number): string {
  if (minutes === 0) return 'Z';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
}

export function formatTimestamp(time: Timestamp): string {
  const fraction = String(time.nanos).padStart(9, '0').replace(/0+$/, '');
  const date = new Date((time.seconds + time.offset * 60) * 1000).toISOString().replace(/\.\d+Z$/, '');
  return `${date}${fraction === '' ? '' : `.${fraction}`}${formatOffset(time.offset)}`;
}

/** The date whose UTC fields are those of the time in the zone. Fails for a zone that does not exist. */
export function inZone(time: Timestamp, zone?: string): Date {
  if (zone === undefined) return new Date(time.seconds * 1000);
  const offset = /^([+-]?)(\d{1,2}):(\d{2})$/.exec(zone);
  if (offset) {
    const minutes = (Number(offset[2]) * 60 + Number(offset[3])) * (offset[1] === '-' ? -1 : 1);
    return new Date((time.seconds + minutes * 60) * 1000);
  }
  if (zone.includes(':')) return fail(`strconv.Atoi: parsing ${JSON.stringify(zone.split(':')[0])}: invalid syntax`);
  if (zone === '' || zone === 'UTC' || zone === 'Local') return new Date(time.seconds * 1000);
  const parts = Object.fromEntries(
    zoneFormat(zone)
      .formatToParts(time.seconds * 1000)
      .map(({ type, value }) => [type, value]),
  );
  const year = parts['era'] === 'BC' ? 1 - Number(parts['year']) : Number(parts['year']);
  const date = new Date(0);
  date.setUTCFullYear(year, Number(parts['month']) - 1, Number(parts['day']));
  date.setUTCHours(Number(parts['hour']), Number(parts['minute']), Number(parts['second']));
  return date;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function zoneFormat(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    if (formats.size < 1000) formats.set(zone, format);
    return format;
  } catch {
    return fail(`unknown time zone ${zone}`);
  }
}

export function dayOfYear(date: Date): number {
  const start = new Date(0);
  start.setUTCFullYear(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - start.getTime()) / 86_400_000);
}
