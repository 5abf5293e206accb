import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelValueProblems, qualifiedNameProblems, utf8Length, validateName, validateObjectMeta } from './index.ts';

const rules = { namespaced: true, nameRule: 'subdomain' } as const;

test('names are held to the rule of their kind', () => {
  const table: [string, Parameters<typeof validateName>[1], boolean][] = [
    ['web', 'subdomain', true],
    ['web.example.com', 'subdomain', true],
    ['web.example.com', 'label', false],
    ['1web', 'label', true],
    ['1web', 'label1035', false],
    ['Web', 'subdomain', false],
    ['web_1', 'subdomain', false],
    ['-web', 'subdomain', false],
    ['a'.repeat(253), 'subdomain', true],
    ['a'.repeat(300), 'subdomain', false],
    ['a'.repeat(64), 'label', false],
    ['system:node', 'path', true],
    ['a/b', 'path', false],
    ['a%b', 'path', false],
    ['..', 'path', false],
  ];
  for (const [name, rule, fine] of table)
    assert.equal(validateName(name, rule).length === 0, fine, `${name} as ${rule}`);
  assert.deepEqual(validateName('web-', 'label', true), []);
});

test('labels are held to their rules, with the words of Kubernetes', () => {
  for (const key of ['app', 'a.b/c', 'App_1', 'kubernetes.io/metadata.name'])
    assert.deepEqual(qualifiedNameProblems(key), [], key);
  for (const key of ['', '/a', 'a/', 'a/b/c', '-a', 'A_/b', 'x'.repeat(64)])
    assert.notDeepEqual(qualifiedNameProblems(key), [], key);
  assert.match(
    labelValueProblems('a b')[0]!,
    /^a valid label must be an empty string or consist of alphanumeric characters/,
  );
  assert.deepEqual(labelValueProblems(''), []);
});

test('metadata is refused field by field', () => {
  assert.deepEqual(validateObjectMeta({ name: 'web', namespace: 'default' }, rules), []);
  const fields = (meta: object) => validateObjectMeta(meta, rules).map(({ field, reason }) => `${field} ${reason}`);
  assert.deepEqual(fields({ namespace: 'a' }), ['metadata.name FieldValueRequired']);
  assert.deepEqual(fields({ name: 'a' }), ['metadata.namespace FieldValueRequired']);
  assert.deepEqual(fields({ name: 'A', namespace: 'a' }), ['metadata.name FieldValueInvalid']);
  assert.deepEqual(fields({ name: 'a', namespace: 'a', labels: { 'a b': 'c' } }), [
    'metadata.labels FieldValueInvalid',
  ]);
  assert.deepEqual(fields({ name: 'a', namespace: 'a', annotations: { a: 'x'.repeat(300_000) } }), [
    'metadata.annotations FieldValueTooLong',
  ]);
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true };
  assert.deepEqual(fields({ name: 'a', namespace: 'a', ownerReferences: [owner, { ...owner, uid: 'w' }] }), [
    'metadata.ownerReferences FieldValueInvalid',
  ]);
  const [cluster] = validateObjectMeta({ name: 'a', namespace: 'b' }, { ...rules, namespaced: false });
  assert.equal(cluster?.message, 'Forbidden: not allowed on this type');
});

test('text is measured in bytes of UTF-8', () => {
  for (const text of ['', 'abc', 'é', '€', '😀', 'a😀é'])
    assert.equal(utf8Length(text), new TextEncoder().encode(text).length, text);
});
