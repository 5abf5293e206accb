import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGoDuration, parseGoDuration } from './duration.ts';

test('durations are read and written as Go has them', () => {
  const same: [string, number][] = [
    ['0s', 0],
    ['250µs', 0.25],
    ['1.5ms', 1.5],
    ['450ms', 450],
    ['3s', 3000],
    ['5m0s', 300_000],
    ['1h0m0.5s', 3_600_500],
    ['-1m30s', -90_000],
  ];
  for (const [text, milliseconds] of same) {
    assert.equal(parseGoDuration(text), milliseconds);
    assert.equal(formatGoDuration(milliseconds), text);
  }
  assert.equal(parseGoDuration('.5s'), 500);
  assert.equal(parseGoDuration('1h30m'), 5_400_000);
  for (const text of ['', 's', '3', '3 s', '1d', '1s2', '--1s']) assert.equal(parseGoDuration(text), undefined, text);
});
