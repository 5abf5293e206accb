import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './fuzz.ts';
import { requestOf } from './requests.ts';

test('twenty thousand malformed requests: all answered, none a fault, nothing lost', { timeout: 120_000 }, async () => {
  const { faults, requests, statuses } = await fuzz({ seed: 1, count: 20_000 });
  assert.deepEqual(faults, []);
  assert.equal(requests, 20_000);
  assert.ok((statuses[201] ?? 0) > 100, 'almost nothing was accepted: the requests are too wild to reach far');
});

test('a seed and a number give the same request', () => {
  assert.deepEqual(requestOf(7, 1234), requestOf(7, 1234));
  assert.notDeepEqual(requestOf(7, 1234), requestOf(8, 1234));
});
