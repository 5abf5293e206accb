/** The parts of timestamps and durations. */
import { overload, type Overload } from '../overload.ts';
import { dayOfYear, inZone } from '../time.ts';
import type { Duration, Timestamp } from '../values.ts';
import { intOf } from '../values.ts';

function parts(name: string, id: string, of: (date: Date) => number): Overload[] {
  return [
    overload(id, `timestamp.${name}() -> int`, (time: Timestamp) => of(inZone(time))),
    overload(
      id === 'timestamp_to_seconds' ? 'timestamp_to_seconds_tz' : `${id}_with_tz`,
      `timestamp.${name}(string) -> int`,
      (time: Timestamp, zone: string) => of(inZone(time, zone)),
    ),
  ];
}

const whole = (unit: bigint) => (duration: Duration) => intOf(duration.nanos / unit);
const milliseconds = (time: Timestamp) => Math.floor(time.nanos / 1_000_000);

export const timeFunctions = [
  ...parts('getFullYear', 'timestamp_to_year', (date) => date.getUTCFullYear()),
  ...parts('getMonth', 'timestamp_to_month', (date) => date.getUTCMonth()),
  ...parts('getDayOfYear', 'timestamp_to_day_of_year', dayOfYear),
  ...parts('getDayOfMonth', 'timestamp_to_day_of_month', (date) => date.getUTCDate() - 1),
  ...parts('getDate', 'timestamp_to_day_of_month_1_based', (date) => date.getUTCDate()),
  ...parts('getDayOfWeek', 'timestamp_to_day_of_week', (date) => date.getUTCDay()),
  ...parts('getHours', 'timestamp_to_hours', (date) => date.getUTCHours()),
  overload('duration_to_hours', 'duration.getHours() -> int', whole(3_600_000_000_000n)),
  ...parts('getMinutes', 'timestamp_to_minutes', (date) => date.getUTCMinutes()),
  overload('duration_to_minutes', 'duration.getMinutes() -> int', whole(60_000_000_000n)),
  ...parts('getSeconds', 'timestamp_to_seconds', (date) => date.getUTCSeconds()),
  overload('duration_to_seconds', 'duration.getSeconds() -> int', whole(1_000_000_000n)),
  overload('timestamp_to_milliseconds', 'timestamp.getMilliseconds() -> int', milliseconds),
  overload('timestamp_to_milliseconds_with_tz', 'timestamp.getMilliseconds(string) -> int', milliseconds),
  overload('duration_to_milliseconds', 'duration.getMilliseconds() -> int', whole(1_000_000n)),
];
