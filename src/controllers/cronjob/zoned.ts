/** Schedules and times as a time zone has them. Pure. */
import { formatTime } from '../../machinery/index.ts';
import { offsetAt, parseSchedule, type Schedule } from './schedule.ts';

const prefix = /^\s*(?:CRON_)?TZ=(\S+)\s+/;

/** A zone before the fields (`TZ=Europe/Berlin 0 9 * * *`) is not accepted any more, but may have been stored; it goes before the CronJob's own. */
export function parseZonedSchedule(text: string, timeZone?: string): { schedule: Schedule; zone?: string } {
  const found = prefix.exec(text);
  if (found === null) return { schedule: parseSchedule(text), zone: timeZone };
  return { schedule: parseSchedule(text.slice(found[0].length)), zone: found[1] };
}

/** RFC 3339, with the zone's distance to UTC: `2026-01-01T09:00:00-05:00`. `time`: milliseconds since the epoch. */
export function formatZoned(time: number, timeZone = 'UTC'): string {
  const offset = offsetAt(time, timeZone);
  if (offset === 0) return formatTime(time);
  const minutes = Math.abs(offset) / 60_000;
  const two = (count: number) => String(Math.floor(count)).padStart(2, '0');
  const local = formatTime(time + offset).replace(/Z$/, '');
  return `${local}${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}
