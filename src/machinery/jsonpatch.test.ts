import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { freezeJson } from './json.ts';
import { applyJsonPatch } from './jsonpatch.ts';

describe('a JSON patch', () => {
  const table: [string, unknown, unknown[], unknown][] = [
    ['adds a field', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    ['adds over a field', { a: 1 }, [{ op: 'add', path: '/a', value: null }], { a: null }],
    ['inserts an item', [1, 3], [{ op: 'add', path: '/1', value: 2 }], [1, 2, 3]],
    ['appends an item', { l: [1] }, [{ op: 'add', path: '/l/-', value: 2 }], { l: [1, 2] }],
    ['appends with the length', [1], [{ op: 'add', path: '/1', value: 2 }], [1, 2]],
    ['counts a negative index from the end', [1, 2, 3], [{ op: 'remove', path: '/-1' }], [1, 2]],
    ['removes a field', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
    ['removes an item', [1, 2, 3], [{ op: 'remove', path: '/1' }], [1, 3]],
    [
      'replaces deep',
      { a: { b: [{ c: 1 }] } },
      [{ op: 'replace', path: '/a/b/0/c', value: 2 }],
      { a: { b: [{ c: 2 }] } },
    ],
    ['replaces the document', { a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
    ['moves', { a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
    ['moves within a list', [1, 2, 3], [{ op: 'move', from: '/0', path: '/2' }], [2, 3, 1]],
    [
      'copies a value, not its identity',
      { a: { b: 1 } },
      [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'replace', path: '/c/b', value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
    [
      'tests and goes on',
      { a: { x: 1, y: 2 } },
      [
        { op: 'test', path: '/a', value: { y: 2, x: 1 } },
        { op: 'remove', path: '/a/x' },
      ],
      { a: { y: 2 } },
    ],
    [
      'reads escaped names',
      { 'a/b': { '~': 1 } },
      [{ op: 'replace', path: '/a~1b/~0', value: 2 }],
      { 'a/b': { '~': 2 } },
    ],
    ['reaches the field with the empty name', { '': { a: 1 } }, [{ op: 'remove', path: '//a' }], { '': {} }],
    [
      'writes into what it added',
      {},
      [
        { op: 'add', path: '/a', value: { l: [] } },
        { op: 'add', path: '/a/l/-', value: 1 },
      ],
      { a: { l: [1] } },
    ],
  ];
  for (const [name, document, patch, expected] of table)
    test(name, () => assert.deepEqual(applyJsonPatch(freezeJson(document), freezeJson(patch)), expected));

  test('shares what it does not touch', () => {
    const document = { spec: { a: 1 }, status: { b: 2 } };
    const result = applyJsonPatch(document, [{ op: 'add', path: '/spec/c', value: 3 }]) as typeof document;
    assert.equal(result.status, document.status);
    assert.notEqual(result.spec, document.spec);
  });
  test('a field named __proto__ is a field like any other', () => {
    const result: any = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]);
    assert.equal(result.polluted, undefined);
    assert.deepEqual(Object.keys(result), ['__proto__']);
    assert.throws(() => applyJsonPatch({}, [{ op: 'add', path: '/__proto__/x', value: 1 }]), /missing path/);
  });
});

describe('a JSON patch that does not fit is refused', () => {
  const table: [string, unknown, unknown, number, RegExp][] = [
    ['not an array', {}, { op: 'add' }, 400, /must be an array/],
    ['not an operation', {}, ['x'], 400, /operation 0 of the JSON patch must be an object/],
    ['a path that is no string', {}, [{ op: 'add', path: 1 }], 400, /path must be a string/],
    ['no such operation', {}, [{ op: 'set', path: '/a', value: 1 }], 422, /Unexpected kind: set/],
    ['no path', {}, [{ op: 'remove' }], 422, /failed to decode path/],
    ['a path without a slash', {}, [{ op: 'remove', path: 'a' }], 422, /is not a JSON pointer/],
    ['no value', {}, [{ op: 'add', path: '/a' }], 422, /needs a value/],
    [
      'no parent',
      {},
      [{ op: 'add', path: '/a/b', value: 1 }],
      422,
      /add operation does not apply: doc is missing path: "\/a\/b": missing value/,
    ],
    ['a parent that holds nothing', { a: 1 }, [{ op: 'add', path: '/a/b', value: 1 }], 422, /doc is missing path/],
    [
      'removing what is not there',
      {},
      [{ op: 'remove', path: '/a' }],
      422,
      /error in remove for path: '\/a': Unable to remove nonexistent key: a: missing value/,
    ],
    [
      'replacing what is not there',
      {},
      [{ op: 'replace', path: '/a', value: 1 }],
      422,
      /doc is missing key: \/a: missing value/,
    ],
    ['an index past the end', [1], [{ op: 'add', path: '/2', value: 1 }], 422, /Unable to access invalid index: 2/],
    ['an index that is no number', { a: [1] }, [{ op: 'remove', path: '/a/01' }], 422, /invalid index: 01/],
    ['replacing past the end', [1], [{ op: 'replace', path: '/-', value: 1 }], 422, /invalid index/],
    [
      'a test that fails',
      { a: 1 },
      [{ op: 'test', path: '/a', value: 2 }],
      422,
      /testing value \/a failed: test failed/,
    ],
    [
      'moving a value into itself',
      { a: { b: {} } },
      [{ op: 'move', from: '/a', path: '/a/b/c' }],
      422,
      /cannot be moved into itself/,
    ],
    [
      'copying what is not there',
      {},
      [{ op: 'copy', from: '/a', path: '/b' }],
      422,
      /copy operation does not apply: doc is missing from path/,
    ],
    [
      'too many operations',
      {},
      Array(10_001).fill({ op: 'test', path: '', value: {} }),
      413,
      /maximum operations in a JSON patch is 10000, got 10001/,
    ],
  ];
  for (const [name, document, patch, code, words] of table)
    test(name, () => assert.throws(() => applyJsonPatch(document, patch), { code, message: words }));

  test('copies that grow without bound', () => {
    const doubling = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }));
    assert.throws(() => applyJsonPatch({ a: ['x'.repeat(1000)] }, doubling), {
      code: 422,
      message: /accumulated size increase of copy is \d+, exceeding the limit 3145728/,
    });
  });
});
