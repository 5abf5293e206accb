import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration, parseTime, readDuration, readMicroTime, readTime } from './values.ts';

test('durations are printed and read as Go does', () => {
  const table: [number, string][] = [
    [0, '0s'],
    [1, '1ns'],
    [1100, '1.1µs'],
    [2_200_000, '2.2ms'],
    [30e9, '30s'],
    [1.5e9, '1.5s'],
    [60e9, '1m0s'],
    [3_600e9, '1h0m0s'],
    [5_400e9 + 500_000_000, '1h30m0.5s'],
    [-90e9, '-1m30s'],
  ];
  for (const [nanos, text] of table) {
    assert.equal(readDuration(nanos), text);
    assert.equal(parseDuration(text), nanos);
  }
  assert.equal(parseDuration('1.5h'), 5_400e9);
  for (const text of ['', '1', '1d', 'h', '1h ', '--1s', '.s']) assert.equal(parseDuration(text), undefined, text);
});

test('times keep their microseconds, before 1970 too', () => {
  assert.equal(readTime(-1), '1969-12-31T23:59:59Z');
  assert.equal(readTime(0), '1970-01-01T00:00:00Z');
  assert.equal(readMicroTime(-1, 1_999), '1969-12-31T23:59:59.000001Z');
  assert.deepEqual(parseTime('2026-01-02T03:04:05.000060Z'), { seconds: 1_767_323_045, nanos: 60_000 });
  assert.deepEqual(parseTime('2026-01-02T05:04:05+02:00'), { seconds: 1_767_323_045, nanos: 0 });
  assert.equal(parseTime('yesterday'), undefined);
  assert.throws(() => readTime(1e15), /not within the years/);
});
