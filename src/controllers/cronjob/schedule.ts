/** Cron's five fields, and when they next apply, in any time zone. Pure. */

export interface Schedule {
  /** Sets of the values that apply: minute, hour, day of the month, month (1–12), day of the week (0 is Sunday). */
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
  /** Whether days of the month, or of the week, are restricted: when both are, either will do. */
  byDay: boolean;
  byWeekday: boolean;
  /** `@every`: milliseconds; the fields do not matter then. */
  every?: number;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const named: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
const minute = 60_000;
const day = 24 * 60 * minute;
/** A day that does not come in this time never comes. */
const horizon = 5 * 366 * day;

/** Throws an `Error` that names the field that is wrong. */
export function parseSchedule(text: string): Schedule {
  const trimmed = text.trim();
  if (trimmed.startsWith('@every ')) return { ...parseSchedule('* * * * *'), every: parseDuration(trimmed.slice(7)) };
  const fields = (named[trimmed] ?? trimmed).split(/\s+/);
  if (fields.length !== 5)
    throw new Error(
      `schedule ${JSON.stringify(text)}: expected 5 fields, or a name like @daily; found ${fields.length}`,
    );
  const [first, second, third, fourth, fifth] = fields as [string, string, string, string, string];
  const ofWeek = values(fifth, 0, 7, weekdays);
  if (ofWeek.has(7)) ofWeek.add(0);
  const unrestricted = (field: string) => field.startsWith('*') || field.startsWith('?');
  return {
    minutes: values(first, 0, 59),
    hours: values(second, 0, 23),
    days: values(third, 1, 31),
    months: values(fourth, 1, 12, months, 1),
    weekdays: ofWeek,
    byDay: !unrestricted(third),
    byWeekday: !unrestricted(fifth),
  };
}

function parseDuration(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)];
  const total = parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
  if (parts.map(([part]) => part).join('') !== text.trim() || total <= 0)
    throw new Error(`schedule "@every ${text}": expected a duration like 1h30m`);
  return Math.max(1_000, Math.floor(total / 1_000) * 1_000);
}

function values(field: string, low: number, high: number, names: readonly string[] = [], firstName = 0): Set<number> {
  const found = new Set<number>();
  const wrong = () =>
    new Error(`schedule: ${JSON.stringify(field)} is not a list of values and ranges within ${low}-${high}`);
  const numberOf = (text: string): number => {
    const at = names.indexOf(text.toLowerCase());
    if (at >= 0) return at + firstName;
    if (!/^\d+$/.test(text)) throw wrong();
    return Number(text);
  };
  for (const part of field.split(',')) {
    const [range = '', stepText, more] = part.split('/');
    const step = stepText === undefined ? 1 : numberOf(stepText);
    const any = range === '*' || range === '?';
    const [from = '', to, tooMany] = any ? [String(low), String(high)] : range.split('-');
    const start = numberOf(from);
    const end = to === undefined ? (stepText === undefined ? start : high) : numberOf(to);
    if (more !== undefined || tooMany !== undefined || step === 0 || start < low || end > high || start > end)
      throw wrong();
    for (let value = start; value <= end; value += step) found.add(value);
  }
  return found;
}

/** The first time after `after` (milliseconds since the epoch); undefined when there is none in five years. */
export function nextAfter(schedule: Schedule, after: number, timeZone = 'UTC'): number | undefined {
  if (schedule.every !== undefined) return Math.floor(after / 1_000) * 1_000 + schedule.every;
  let time = (Math.floor(after / minute) + 1) * minute;
  while (time < after + horizon) {
    const local = new Date(time + offsetAt(time, timeZone));
    const [y, mo, d, h] = [local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate(), local.getUTCHours()];
    if (!schedule.months.has(mo + 1)) time = later(time, Date.UTC(y, mo + 1, 1), timeZone);
    else if (!matchesDay(schedule, local)) time = later(time, Date.UTC(y, mo, d + 1), timeZone);
    else if (!schedule.hours.has(h)) time = later(time, Date.UTC(y, mo, d, h + 1), timeZone);
    else if (!schedule.minutes.has(local.getUTCMinutes())) time += minute;
    else return time;
  }
  return undefined;
}

function matchesDay({ days, weekdays: ofWeek, byDay, byWeekday }: Schedule, local: Date): boolean {
  const [inMonth, inWeek] = [days.has(local.getUTCDate()), ofWeek.has(local.getUTCDay())];
  return byDay && byWeekday ? inMonth || inWeek : inMonth && inWeek;
}

/** When the clock on the wall shows `local`, but always onwards: an hour that is skipped, or comes twice, must not hold us. */
function later(time: number, local: number, timeZone: string): number {
  const guess = local - offsetAt(local - offsetAt(time, timeZone), timeZone);
  return Math.max(time + minute, guess);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the zone's clock is ahead of UTC at that time, in milliseconds. Throws a `RangeError` when nobody knows the zone. */
export function offsetAt(time: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0;
  let format = formats.get(timeZone);
  if (format === undefined) {
    const shown = {
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...shown });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second);
  return local - Math.floor(time / 1_000) * 1_000;
}

/** The last time in (`from`, `to`]; looks back further and further, so that a long pause costs little. */
export function lastWithin(schedule: Schedule, from: number, to: number, timeZone?: string): number | undefined {
  if (schedule.every !== undefined) {
    const count = Math.floor((to - from) / schedule.every);
    return count > 0 ? from + count * schedule.every : undefined;
  }
  for (let back = 2 * minute; ; back *= 4) {
    const start = Math.max(from, to - back);
    let found: number | undefined;
    for (
      let next = nextAfter(schedule, start, timeZone);
      next !== undefined && next <= to;
      next = nextAfter(schedule, next, timeZone)
    )
      found = next;
    if (found !== undefined || start === from) return found;
  }
}

/** Whether more than `count` times lie in (`from`, `to`], reckoned from the distance of the first two as upstream does. */
export function missedMoreThan(
  count: number,
  schedule: Schedule,
  from: number,
  to: number,
  timeZone?: string,
): boolean {
  const first = nextAfter(schedule, from, timeZone);
  if (first === undefined || first > to) return false;
  const second = nextAfter(schedule, first, timeZone);
  return second !== undefined && Math.floor((to - first) / (second - first)) + 1 > count;
}
