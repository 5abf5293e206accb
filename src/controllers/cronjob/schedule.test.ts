import assert from 'node:assert/strict';
import test from 'node:test';
import { lastWithin, missedMoreThan, nextAfter, parseSchedule } from './schedule.ts';

test('when a schedule next applies', () => {
  for (const [schedule, after, expected, zone] of [
    ['* * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z'],
    ['*/15 * * * *', '2026-01-01T00:16:30Z', '2026-01-01T00:30:00Z'],
    ['0 9-17/4 * * mon-fri', '2026-01-02T14:00:00Z', '2026-01-02T17:00:00Z'],
    ['0 9 * * MON', '2026-01-01T00:00:00Z', '2026-01-05T09:00:00Z'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    ['0 0 13 * 5', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ['0 0 * * 7', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
    ['30 23 31 dec ?', '2026-01-01T00:00:00Z', '2026-12-31T23:30:00Z'],
    ['5/20 * * * *', '2026-01-01T00:30:00Z', '2026-01-01T00:45:00Z'],
    ['@monthly', '2026-01-15T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['@every 90s', '2026-01-01T00:00:00Z', '2026-01-01T00:01:30Z'],
    ['0 9 * * *', '2026-01-01T00:00:00Z', '2026-01-01T14:00:00Z', 'America/New_York'],
    ['0 9 * * *', '2026-07-01T00:00:00Z', '2026-07-01T13:00:00Z', 'America/New_York'],
    ['30 5 * * *', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', 'Asia/Kolkata'],
  ] as [string, string, string, string?][])
    assert.equal(
      new Date(nextAfter(parseSchedule(schedule), Date.parse(after), zone)!).toISOString(),
      new Date(expected).toISOString(),
      `${schedule} ${zone ?? ''}`,
    );
  assert.equal(nextAfter(parseSchedule('0 0 30 2 *'), 0), undefined, 'a day that never comes');
});

test('an hour that is skipped, or comes twice, is got over', () => {
  const zone = 'Europe/Berlin';
  let time = Date.parse('2026-03-28T12:00:00Z');
  for (let i = 0; i < 3; i++) {
    const next: number = nextAfter(parseSchedule('30 2 * * *'), time, zone)!;
    assert.ok(next > time && next - time <= 49 * 3_600_000);
    time = next;
  }
  const hourly = parseSchedule('0 * * * *');
  const before = Date.parse('2026-10-24T23:30:00Z');
  assert.equal(nextAfter(hourly, before, zone), Date.parse('2026-10-25T00:00:00Z'));
});

test('the last time within a span, however long', () => {
  const at = (text: string) => Date.parse(text);
  const last = (schedule: string, from: string, to: string) => lastWithin(parseSchedule(schedule), at(from), at(to));
  assert.equal(last('*/5 * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:12:00Z'), at('2026-01-01T00:10:00Z'));
  assert.equal(
    last('*/5 * * * *', '2026-01-01T00:10:00Z', '2026-01-01T00:12:00Z'),
    undefined,
    'the first moment is not in it',
  );
  assert.equal(last('* * * * *', '2016-01-01T00:00:00Z', '2026-01-01T00:00:30Z'), at('2026-01-01T00:00:00Z'));
  assert.equal(last('@yearly', '2020-06-01T00:00:00Z', '2026-06-01T00:00:00Z'), at('2026-01-01T00:00:00Z'));
});

test('what is not a schedule is refused with the field that is wrong', () => {
  for (const wrong of [
    '',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '*/0 * * * *',
    '5-1 * * * *',
    'a * * * *',
    '@sometimes',
    '@every soon',
    '1-2-3 * * * *',
  ])
    assert.throws(() => parseSchedule(wrong), /schedule/, wrong);
});

test('how many times were missed', () => {
  const from = Date.parse('2026-01-01T00:00:00Z');
  for (const [schedule, minutes, expected] of [
    ['* * * * *', 100, false],
    ['* * * * *', 101, true],
    ['*/5 * * * *', 504, false],
    ['*/5 * * * *', 505, true],
    ['@every 10m', 1005, false],
    ['@every 10m', 1010, true],
    ['0 0 30 2 *', 1_000_000, false],
  ] as const)
    assert.equal(
      missedMoreThan(100, parseSchedule(schedule), from, from + minutes * 60_000),
      expected,
      `${schedule} ${minutes}`,
    );
});
