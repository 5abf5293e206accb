import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  containsFields,
  differenceFields,
  equalFields,
  excludeFields,
  fieldsOfPaths,
  fieldsProblem,
  formatFieldPath,
  hasField,
  intersectFields,
  isEmptyFields,
  leavesOf,
  pathsOf,
  unionFields,
} from './fieldset.ts';
import { cloneJson, freezeJson } from './json.ts';

const step = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:1', 'v:"s"');
const paths = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 8 });
const set = paths.map((all) => freezeJson(cloneJson(fieldsOfPaths(all))));
const names = (of: ReturnType<typeof fieldsOfPaths>) => new Set(pathsOf(of).map((path) => path.join(' ')));
const within = (part: any, whole: any) => [...names(part)].every((path) => names(whole).has(path));
const laws = (a: any, law: (...sets: any[]) => void, ...more: any[]) => fc.assert(fc.property(a, ...more, law));

test('a set holds exactly the paths it was made of', () =>
  laws(paths, (all) => {
    const made = fieldsOfPaths(all);
    assert.deepEqual(names(made), new Set(all.map((path: string[]) => path.join(' '))));
    for (const path of all) assert.ok(hasField(made, path));
  }));

test('union, difference and intersection are those of the sets of paths', () =>
  laws(
    set,
    (a, b) => {
      assert.deepEqual(names(unionFields(a, b)), new Set([...names(a), ...names(b)]));
      assert.deepEqual(names(differenceFields(a, b)), new Set([...names(a)].filter((path) => !names(b).has(path))));
      assert.deepEqual(names(intersectFields(a, b)), new Set([...names(a)].filter((path) => names(b).has(path))));
      assert.equal(equalFields(a, b), within(a, b) && within(b, a));
      assert.equal(containsFields(a, b), within(b, a));
      assert.equal(isEmptyFields(differenceFields(a, b)), within(a, b));
    },
    set,
  ));

test('exclusion takes what is below too', () =>
  laws(
    set,
    (a, b) => {
      const out = [...names(b)];
      const left = [...names(a)].filter((path) => !out.some((other) => path === other || path.startsWith(`${other} `)));
      assert.deepEqual(names(excludeFields(a, b)), new Set(left));
    },
    set,
  ));

test('leaves are the members with no member below', () =>
  laws(set, (a) => {
    const all = [...names(a)];
    const leaves = all.filter((path) => !all.some((other) => other.startsWith(`${path} `)));
    assert.deepEqual(names(leavesOf(a)), new Set(leaves));
  }));

test('an operation that changes nothing gives back the set it was given', () =>
  laws(
    set,
    (a, b) => {
      assert.equal(unionFields(a, a), a);
      const both = unionFields(a, b);
      assert.equal(unionFields(both, b), both);
      const rest = differenceFields(a, b);
      assert.equal(differenceFields(rest, b), rest);
      assert.equal(intersectFields(a, both), a);
    },
    set,
  ));

test('a set goes through JSON unchanged', () =>
  laws(set, (a) => {
    const back = JSON.parse(JSON.stringify(a));
    assert.ok(equalFields(a, back));
    assert.equal(fieldsProblem(back), undefined);
  }));

test('a parent and its children come and go apart', () => {
  const parent = fieldsOfPaths([['f:a']]);
  const child = fieldsOfPaths([['f:a', 'f:b']]);
  const both = unionFields(parent, child);
  assert.deepEqual(both, { 'f:a': { '.': {}, 'f:b': {} } });
  assert.deepEqual(differenceFields(both, parent), child);
  assert.deepEqual(differenceFields(both, child), parent);
  assert.deepEqual(differenceFields(parent, child), parent);
});

test('paths read as errors show them', () => {
  assert.equal(
    formatFieldPath(['f:spec', 'f:containers', 'k:{"containerPort":80,"protocol":"TCP"}', 'f:x', 'v:"a"', 'i:2']),
    '.spec.containers[containerPort=80,protocol="TCP"].x[="a"][2]',
  );
});

test('a broken tree is told from a good one', () => {
  for (const broken of [
    null,
    [],
    'x',
    { a: {} },
    { 'f:a': 1 },
    { 'k:x': {} },
    { 'k:1': {} },
    { 'v:': {} },
    { 'i:x': {} },
  ])
    assert.notEqual(fieldsProblem(broken), undefined, JSON.stringify(broken));
});
