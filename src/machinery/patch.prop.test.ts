import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import oracle from 'fast-json-patch';
import { cloneJson, equalJson, freezeJson } from './json.ts';
import { applyJsonPatch } from './jsonpatch.ts';
import { formatPointer, parsePointer } from './jsonpointer.ts';
import { applyMergePatch, createMergePatch } from './mergepatch.ts';

const key = fc.constantFrom('a', 'b', 'c/d', 'e~f', '0', '');
const json = (withNull: boolean) =>
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom('x', 'y', true, ...(withNull ? [null] : [])),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
    object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  }));
const anyJson = json(true);
const nullless = json(false);

test('applying the difference that fast-json-patch finds gives the other document', () => {
  fc.assert(
    fc.property(anyJson.object, anyJson.object, (a: any, b: any) => {
      assert.deepEqual(applyJsonPatch(freezeJson(cloneJson(a)), oracle.compare(a, b)), b);
    }),
  );
});

/** The oracle does not look where in a list a move or a copy goes, so it is given their parts. */
function byOracle(document: any, { op, path, from, value }: any): any {
  const run = (...patch: any[]) => oracle.applyPatch(document, patch, true).newDocument;
  if (op !== 'move' && op !== 'copy') return run({ op, path, value: cloneJson(value) });
  run({ op: 'test', path: from, value: oracle.getValueByPointer(document, from) });
  const moved = cloneJson(oracle.getValueByPointer(document, from));
  return run(...(op === 'move' ? [{ op: 'remove', path: from }] : []), { op: 'add', path, value: moved });
}

test('an arbitrary patch does what fast-json-patch does, or both refuse it', () => {
  // the oracle takes an empty name for the index 0
  const step = fc.constantFrom('a', 'b', 'c/d', 'e~f', '0', '1', '-');
  const path = fc.array(step, { minLength: 1, maxLength: 2 }).map(formatPointer);
  const operation = fc.oneof(
    fc.record({ op: fc.constantFrom('add', 'replace', 'test'), path, value: anyJson.value }),
    fc.record({ op: fc.constant('remove'), path }),
    fc.record({ op: fc.constantFrom('move', 'copy'), path, from: path }),
  );
  const attempt = (run: () => unknown) => {
    try {
      return { result: run() };
    } catch {
      return 'refused';
    }
  };
  let applied = 0;
  fc.assert(
    fc.property(anyJson.object, fc.array(operation, { maxLength: 3 }), (document: any, patch: any[]) => {
      const ours = attempt(() => applyJsonPatch(freezeJson(cloneJson(document)), freezeJson(cloneJson(patch))));
      // the oracle moves a value into itself
      if (patch.some(({ path, from }) => from !== undefined && `${path}/`.startsWith(`${from}/`))) return;
      const theirs = attempt(() => patch.reduce(byOracle, cloneJson(document)));
      assert.deepEqual(ours, theirs);
      if (ours !== 'refused' && patch.length > 0) applied++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(applied > 20, `only ${applied} patches applied: the generator tests nothing`);
});

test('a pointer reads back', () => {
  fc.assert(fc.property(fc.array(fc.string()), (names) => assert.deepEqual(parsePointer(formatPointer(names)), names)));
});

test('a merge patch of the difference gives the other document', () => {
  fc.assert(
    fc.property(nullless.object, nullless.object, (a: any, b: any) => {
      const patch = createMergePatch(a, b);
      assert.deepEqual(applyMergePatch(freezeJson(a), freezeJson(patch)), b);
      assert.equal(equalJson(patch, {}), equalJson(a, b));
    }),
  );
});

test('applying a merge patch twice is applying it once', () => {
  fc.assert(
    fc.property(anyJson.object, anyJson.object, (a: any, patch: any) => {
      const once = applyMergePatch(a, patch);
      assert.deepEqual(applyMergePatch(once, patch), once);
    }),
  );
});

test('the examples of RFC 7386', () => {
  const examples: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [['a', 'b'], ['c'], ['c']],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of examples) assert.deepEqual(applyMergePatch(target, patch), result);
});
