import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { escapeFieldValue, parseFieldSelector } from './fieldselector.ts';

const object: Record<string, string> = { 'metadata.name': 'web', 'status.phase': 'Running', odd: 'a,b=c\\d' };
const get = (field: string) => object[field] ?? '';

describe('a field selector', () => {
  const table: [string, boolean][] = [
    ['', true],
    [',', true],
    ['metadata.name=web', true],
    ['metadata.name==web', true],
    ['metadata.name!=web', false],
    ['metadata.name=web,status.phase!=Pending', true],
    ['metadata.name=web,status.phase=Pending', false],
    ['spec.nodeName=', true],
    ['spec.nodeName!=', false],
    ['odd=a\\,b\\=c\\\\d', true],
  ];
  for (const [text, expected] of table)
    test(`${JSON.stringify(text)}: ${expected}`, () => {
      const selector = parseFieldSelector(text);
      assert.equal(selector.matches(get), expected);
      assert.equal(selector.compile<typeof object>((field) => (of) => of[field] ?? '')(object), expected);
      assert.equal(parseFieldSelector(selector.toString()).matches(get), expected);
    });
  test('a broken one is refused in upstream words', () => {
    const refuse = (text: string, message: string) =>
      assert.throws(() => parseFieldSelector(text), { reason: 'BadRequest', message });
    refuse('a', "invalid selector: 'a'; can't understand 'a'");
    refuse('a=b,c', "invalid selector: 'a=b,c'; can't understand 'c'");
    refuse('a=b\\x', 'invalid field selector: invalid escape sequence: \\x');
    refuse('a=b\\', 'invalid field selector: invalid escape sequence: \\');
    refuse('a=b=c', 'invalid field selector: unescaped character in value: 61');
  });
  test('a field that nothing looks up is refused when it is compiled', () => {
    assert.throws(() => parseFieldSelector('spec.x=1').compile(() => undefined), {
      reason: 'BadRequest',
      message: 'field label not supported: spec.x',
    });
  });
  test('tells the value that an index can look up', () => {
    const selector = parseFieldSelector('spec.nodeName=n1,status.phase!=Failed');
    assert.equal(selector.exactMatch('spec.nodeName'), 'n1');
    assert.equal(selector.exactMatch('status.phase'), undefined);
  });
  test('escaping', () => assert.equal(escapeFieldValue('a,b=c\\d'), 'a\\,b\\=c\\\\d'));
});
