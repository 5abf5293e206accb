import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CacheEntry } from './entry.ts';
import { storedBytes } from './stored.ts';

const filler = 'x'.repeat(100_000);

function entryOf(name: string): CacheEntry {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { filler } };
  return new CacheEntry(`/registry/core/configmaps/default/${name}`, 7, storedBytes(object), undefined);
}

/** More than is kept. */
function readOthers(): void {
  for (let i = 0; i < 200; i++) assert.equal(entryOf(`other-${i}`).object.metadata.name, `other-${i}`);
}

test('what was read is kept for a while, and whoever holds it longer sees no other', () => {
  const entry = entryOf('mine');
  const held = entry.object;
  assert.equal(entry.object, held);
  readOthers();
  assert.equal(entry.object, held);
  assert.equal(held.metadata.resourceVersion, '7');
});

test('what was let go is read again, the same', () => {
  const entry = entryOf('mine');
  let made = 0;
  const message = () => entry.message(() => Uint8Array.of(++made));
  message();
  message();
  assert.equal(made, 1, 'the other form was made more than once');
  readOthers();
  message();
  assert.equal(made, 2, 'the other form was kept for good');
  assert.deepEqual(entry.object.metadata, { name: 'mine', resourceVersion: '7' });
});

test('a deletion shows what was there, at its own revision', () => {
  const last = entryOf('mine').at(12);
  assert.deepEqual(last.object.metadata, { name: 'mine', resourceVersion: '12' });
  assert.deepEqual(JSON.parse(last.bytes.toString()), last.object);
});
