import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RevisionTimes } from './times.ts';

test('a revision has the time of the batch that it became durable with', () => {
  let now = 1000;
  const times = new RevisionTimes(() => now);
  times.note(10);
  now = 2000;
  times.note(13);
  assert.equal(times.of(10), 1000);
  assert.equal(times.of(11), 2000);
  assert.equal(times.of(13), 2000);
  assert.equal(times.of(9), undefined);
  assert.equal(times.of(14), undefined);
});

test('the oldest are forgotten, the latest never', () => {
  let now = 0;
  const times = new RevisionTimes(() => now);
  for (let revision = 1; revision <= 100_000; revision++) {
    now = revision * 2;
    times.note(revision);
  }
  assert.equal(times.of(100_000), 200_000);
  assert.equal(times.of(80_000), 160_000);
  assert.equal(times.of(1), undefined);
});
