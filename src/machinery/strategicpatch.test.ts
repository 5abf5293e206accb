import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cloneJson, freezeJson } from './json.ts';
import { applyMergePatch } from './mergepatch.ts';
import type { Schema } from './schema.ts';
import { applyStrategicPatch } from './strategicpatch.ts';

const text: Schema = { type: 'string' };
const inner: Schema = {
  type: 'array',
  patchStrategy: ['merge'],
  patchMergeKey: 'port',
  items: { type: 'object', properties: { port: { type: 'integer' }, name: text } },
};
const schema: Schema = {
  type: 'object',
  properties: {
    name: text,
    items: {
      type: 'array',
      patchStrategy: ['merge'],
      patchMergeKey: 'name',
      items: {
        type: 'object',
        properties: { name: text, image: text, ports: inner, args: { type: 'array', items: text } },
      },
    },
    volumes: {
      type: 'array',
      patchStrategy: ['merge', 'retainKeys'],
      patchMergeKey: 'name',
      items: { type: 'object', properties: { name: text } },
    },
    tags: { type: 'array', patchStrategy: ['merge'], items: text },
    plain: { type: 'array', items: text },
    whole: { type: 'object', patchStrategy: ['replace'], additionalProperties: text },
    strategy: {
      type: 'object',
      patchStrategy: ['retainKeys'],
      properties: { type: text, rolling: { type: 'object', properties: { surge: text } } },
    },
    labels: { type: 'object', additionalProperties: text },
  },
};
const apply = (original: object, patch: object) => applyStrategicPatch(freezeJson(original), freezeJson(patch), schema);

describe('a strategic merge patch', () => {
  const table: [string, object, object, object][] = [
    [
      'merges objects and removes nulls',
      { labels: { a: '1', b: '2' }, name: 'x' },
      { labels: { a: null, c: '3' } },
      { labels: { b: '2', c: '3' }, name: 'x' },
    ],
    ['adds what is not there, without nulls', {}, { labels: { a: null, b: '1' } }, { labels: { b: '1' } }],
    ['replaces a list without a strategy', { plain: ['a', 'b'] }, { plain: ['c'] }, { plain: ['c'] }],
    [
      'replaces an object with the replace strategy',
      { whole: { a: '1' } },
      { whole: { b: '2' } },
      { whole: { b: '2' } },
    ],
    [
      'replaces an object by directive',
      { labels: { a: '1' } },
      { labels: { $patch: 'replace', b: '2' } },
      { labels: { b: '2' } },
    ],
    ['empties an object by directive', { labels: { a: '1' } }, { labels: { $patch: 'delete' } }, { labels: {} }],
    [
      'merges items by key',
      { items: [{ name: 'a', image: '1' }, { name: 'b' }] },
      { items: [{ name: 'a', image: '2' }] },
      { items: [{ name: 'a', image: '2' }, { name: 'b' }] },
    ],
    [
      'puts new items first, as upstream does',
      { items: [{ name: 'a' }] },
      { items: [{ name: 'b' }] },
      { items: [{ name: 'b' }, { name: 'a' }] },
    ],
    [
      'puts patched items in the order of the patch',
      { items: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] },
      { items: [{ name: 'c' }, { name: 'a' }] },
      { items: [{ name: 'b' }, { name: 'c' }, { name: 'a' }] },
    ],
    [
      'merges inside items',
      { items: [{ name: 'a', ports: [{ port: 1 }, { port: 2 }] }] },
      { items: [{ name: 'a', ports: [{ port: 2, name: 'x' }] }] },
      { items: [{ name: 'a', ports: [{ port: 1 }, { port: 2, name: 'x' }] }] },
    ],
    [
      'removes a field of an item',
      { items: [{ name: 'a', image: '1' }] },
      { items: [{ name: 'a', image: null }] },
      { items: [{ name: 'a' }] },
    ],
    [
      'deletes an item',
      { items: [{ name: 'a' }, { name: 'b' }] },
      { items: [{ name: 'a', $patch: 'delete' }] },
      { items: [{ name: 'b' }] },
    ],
    [
      'deletes an item that is not there',
      { items: [{ name: 'a' }] },
      { items: [{ name: 'z', $patch: 'delete' }] },
      { items: [{ name: 'a' }] },
    ],
    [
      'replaces a list by directive',
      { items: [{ name: 'a' }, { name: 'b' }] },
      { items: [{ $patch: 'replace' }, { name: 'c' }] },
      { items: [{ name: 'c' }] },
    ],
    [
      'drops directives where there is nothing to change',
      {},
      { items: [{ name: 'a', $patch: 'delete' }, { name: 'b' }], labels: { $patch: 'delete' } },
      { items: [{ name: 'b' }] },
    ],
    ['joins scalars', { tags: ['a', 'b'] }, { tags: ['b', 'c'] }, { tags: ['a', 'b', 'c'] }],
    [
      'takes scalars out',
      { tags: ['a', 'b', 'c'] },
      { '$deleteFromPrimitiveList/tags': ['b', 'z'] },
      { tags: ['a', 'c'] },
    ],
    ['takes scalars out of nothing', {}, { '$deleteFromPrimitiveList/tags': ['b'] }, {}],
    [
      'adds, takes out and orders scalars',
      { tags: ['a', 'b', 'c'] },
      { '$deleteFromPrimitiveList/tags': ['b'], '$setElementOrder/tags': ['d', 'c', 'a'], tags: ['d'] },
      { tags: ['d', 'c', 'a'] },
    ],
    [
      'orders items by directive',
      { items: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] },
      { '$setElementOrder/items': [{ name: 'c' }, { name: 'a' }] },
      { items: [{ name: 'b' }, { name: 'c' }, { name: 'a' }] },
    ],
    [
      'orders what it adds, keeping what only the server has',
      { items: [{ name: 'sidecar' }, { name: 'a' }, { name: 'b' }] },
      { '$setElementOrder/items': [{ name: 'b' }, { name: 'n' }, { name: 'a' }], items: [{ name: 'n', image: '1' }] },
      { items: [{ name: 'sidecar' }, { name: 'b' }, { name: 'n', image: '1' }, { name: 'a' }] },
    ],
    [
      'deletes under an order',
      { items: [{ name: 'a' }, { name: 'b' }] },
      { '$setElementOrder/items': [{ name: 'b' }], items: [{ name: 'a', $patch: 'delete' }] },
      { items: [{ name: 'b' }] },
    ],
    [
      'orders a list that is new',
      {},
      { '$setElementOrder/items': [{ name: 'b' }, { name: 'a' }], items: [{ name: 'b' }, { name: 'a' }] },
      { items: [{ name: 'b' }, { name: 'a' }] },
    ],
    [
      'keeps only the named keys',
      { strategy: { type: 'Rolling', rolling: { surge: '1' } } },
      { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      { strategy: { type: 'Recreate' } },
    ],
    [
      'keeps only the named keys of an item',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ $retainKeys: ['name', 'hostPath'], name: 'v', hostPath: { path: '/' } }] },
      { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    ],
    [
      'adds an item with directives',
      { volumes: [] },
      { volumes: [{ $retainKeys: ['name'], name: 'v' }] },
      { volumes: [{ name: 'v' }] },
    ],
    [
      'takes the patch where the kinds of value differ',
      { labels: 'x', items: {} },
      { labels: { a: '1' }, items: [{ name: 'a' }] },
      { labels: { a: '1' }, items: [{ name: 'a' }] },
    ],
    ['removes a list', { items: [{ name: 'a' }] }, { items: null }, {}],
    [
      'merges what the schema does not know like a merge patch',
      { other: { a: { b: 1 }, l: [1] } },
      { other: { a: { c: 2 }, l: [2] } },
      { other: { a: { b: 1, c: 2 }, l: [2] } },
    ],
    ['adds to an empty list', { items: [] }, { items: [{ name: 'a', image: null }] }, { items: [{ name: 'a' }] }],
  ];
  for (const [name, original, patch, expected] of table)
    test(name, () => assert.deepEqual(apply(original, patch), expected));
});

describe('a strategic merge patch that breaks the format is refused', () => {
  const table: [string, object, object, RegExp][] = [
    [
      'an unknown directive on an object',
      { labels: {} },
      { labels: { $patch: 'merge' } },
      /unknown patch type: "merge"/,
    ],
    [
      'an unknown directive on an item',
      { items: [] },
      { items: [{ $patch: 'x', name: 'a' }] },
      /unknown patch type: "x"/,
    ],
    [
      'merge on an item',
      { items: [] },
      { items: [{ $patch: 'merge', name: 'a' }] },
      /merging lists cannot yet be specified/,
    ],
    [
      'an item without its key',
      { items: [{ name: 'a' }] },
      { items: [{ image: 'x' }] },
      /map: \{"image":"x"\} does not contain declared merge key: name/,
    ],
    [
      'a deletion without its key',
      { items: [{ name: 'a' }] },
      { items: [{ $patch: 'delete' }] },
      /declared merge key: name/,
    ],
    [
      'a key that retainKeys does not name',
      { strategy: {} },
      { strategy: { $retainKeys: ['rolling'], type: 'x' } },
      /invalid patch format of retainKeys: the patch sets "type"/,
    ],
    [
      'retainKeys that is no list',
      { strategy: {} },
      { strategy: { $retainKeys: 'x' } },
      /invalid patch format of retainKeys/,
    ],
    [
      'an order that is no list',
      { items: [] },
      { '$setElementOrder/items': {} },
      /invalid patch format of setElementOrder list/,
    ],
    [
      'an item that the order does not name',
      { items: [] },
      { '$setElementOrder/items': [{ name: 'a' }], items: [{ name: 'b' }] },
      /doesn't match \$setElementOrder\/items/,
    ],
    [
      'items in another order than the order',
      { tags: [] },
      { '$setElementOrder/tags': ['a', 'b'], tags: ['b', 'a'] },
      /doesn't match \$setElementOrder\/tags/,
    ],
    [
      'a deletion that is no list',
      { tags: [] },
      { '$deleteFromPrimitiveList/tags': 'a' },
      /invalid patch format of primitive list/,
    ],
    ['objects among scalars', { tags: ['a'] }, { tags: [{}] }, /element types are not identical/],
    ['lists in lists', { tags: ['a'] }, { tags: [['b']] }, /lists of lists are not supported/],
    ['objects without a merge key', { tags: [{}] }, { tags: [{}] }, /without a merge key/],
  ];
  for (const [name, original, patch, words] of table)
    test(name, () => assert.throws(() => apply(original, patch), { reason: 'BadRequest', message: words }));
  test('not an object', () => assert.throws(() => applyStrategicPatch({}, [], schema), { reason: 'BadRequest' }));
});

const labels = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.option(fc.constantFrom('1', '2')), {
  noNullPrototype: true,
});
const item = fc.record(
  { name: fc.constantFrom('x', 'y', 'z'), image: fc.constantFrom('1', '2') },
  { requiredKeys: ['name'] },
);
const items = fc.uniqueArray(item, { selector: ({ name }) => name });
const document = fc.record(
  { labels, items, tags: fc.uniqueArray(fc.constantFrom('s', 't', 'u')) },
  { requiredKeys: [] },
);

test('without lists and directives it is a merge patch', () => {
  fc.assert(
    fc.property(fc.record({ labels, strategy: labels }), fc.record({ labels, strategy: labels }), (a, patch) =>
      assert.deepEqual(applyStrategicPatch(a, patch, schema), applyMergePatch(a, patch)),
    ),
  );
});

test('applying it twice is applying it once', () => {
  fc.assert(
    fc.property(document, document, (a, patch) => {
      const once = applyStrategicPatch(freezeJson(cloneJson(a)), freezeJson(cloneJson(patch)), schema);
      assert.deepEqual(applyStrategicPatch(once, patch, schema), once);
    }),
  );
});
