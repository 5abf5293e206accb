import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { labelSelectorAsSelector, type Labels, selectorFromSet } from './selector.ts';
import { parseSelector } from './selectorparser.ts';
import { isStatusError } from './status.ts';

const labels: Labels = { app: 'web', tier: 'front', weight: '10', empty: '', 'example.com/role': 'a' };

describe('a label selector selects what upstream selects', () => {
  const table: [string, boolean][] = [
    ['', true],
    ['   ', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web , tier=front', true],
    ['app=web,tier=back', false],
    ['app=', false],
    ['empty=', true],
    ['empty', true],
    ['missing', false],
    ['!missing', true],
    ['! missing', true],
    ['!app', false],
    ['app!=web', false],
    ['app!=api', true],
    ['missing!=x', true],
    ['app in (web,api)', true],
    ['app in (api, db)', false],
    ['missing in (a)', false],
    ['app notin (web)', false],
    ['app notin (api),tier', true],
    ['missing notin (a)', true],
    ['empty in ()', true],
    ['empty in (,a)', true],
    ['app notin ()', true],
    ['weight>9', true],
    ['weight>10', false],
    ['weight<11', true],
    ['weight > 9223372036854775806', false],
    ['app>1', false],
    ['missing<5', false],
    ['example.com/role=a', true],
    ['app in (in,web)', true],
    ['app=in', false],
    ['toString', false],
    ['!constructor', true],
  ];
  for (const [text, expected] of table)
    test(`${JSON.stringify(text)}: ${expected}`, () => {
      assert.equal(parseSelector(text).matches(labels), expected);
    });
  test('an object without labels is matched like one with none', () => {
    assert.equal(parseSelector('app').matches(undefined), false);
    assert.equal(parseSelector('!app,b!=c').matches(undefined), true);
  });
});

describe('a broken label selector is refused in upstream words', () => {
  const table: [string, RegExp][] = [
    ['a=b c', /^found 'c', expected: ',' or 'end of string'$/],
    ['a b', /^unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt$/],
    ['a,,b', /^found ',', expected: identifier after ','$/],
    ['a,', /^found '', expected: identifier after ','$/],
    ['=a', /^found '=', expected: !, identifier, or 'end of string'$/],
    ['!=a', /^found '!=', expected: !, identifier, or 'end of string'$/],
    ['!', /^unable to parse requirement: found '', expected: identifier$/],
    ['a in', /^unable to parse requirement: found '' expected: '\('$/],
    ['a in (b', /^unable to parse requirement: found '', expected: ',' or '\)'$/],
    ['a in (b c)', /^unable to parse requirement: found 'c', expected: ',' or '\)'$/],
    ['a=(b)', /^unable to parse requirement: found '\(', expected: identifier$/],
    [
      'a>b',
      /^unable to parse requirement: values\[0\]: Invalid value: "b": for 'Gt', 'Lt' operators, the value must be an integer$/,
    ],
    ['a>9223372036854775808', /the value must be an integer$/],
    [
      'x/y/z=a',
      /^unable to parse requirement: <nil>: Invalid value: "x\/y\/z": a (valid label key|qualified name) must consist of/,
    ],
    ['Not_A_Domain/x=a', /prefix part a lowercase RFC 1123 subdomain/],
    ['/x', /prefix part must be non-empty/],
    [
      'a=-b',
      /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "-b": a valid label must be an empty string or/,
    ],
    [`a=${'b'.repeat(64)}`, /must be no more than 63 (bytes|characters)$/],
  ];
  for (const [text, expected] of table)
    test(JSON.stringify(text.slice(0, 40)), () => {
      assert.throws(
        () => parseSelector(text),
        (error) => {
          assert.ok(isStatusError(error, 'BadRequest'));
          assert.match(error.message, expected);
          return true;
        },
      );
    });
});

describe('a selector tells what it asks for', () => {
  test('sorted, values in order, in the same grammar', () => {
    const text = 'z,b in (y,x),a==1,!c,d notin (q),e>5,f<6,g!=h';
    const shown = 'a==1,b in (x,y),!c,d notin (q),e>5,f<6,g!=h,z';
    assert.equal(parseSelector(text).toString(), shown);
    assert.equal(parseSelector(shown).toString(), shown);
  });
  test('the value that an index can look up', () => {
    const selector = parseSelector('a=1,b in (2),c in (3,4),d!=5,e');
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => selector.exactMatch(key)),
      ['1', '2', undefined, undefined, undefined, undefined],
    );
  });
  test('emptiness', () => {
    assert.equal(parseSelector('').empty, true);
    assert.equal(parseSelector('a').empty, false);
  });
});

describe('a LabelSelector object', () => {
  test('absent selects nothing, empty everything', () => {
    assert.equal(labelSelectorAsSelector(undefined).matches(labels), false);
    assert.equal(labelSelectorAsSelector(null).nothing, true);
    assert.equal(labelSelectorAsSelector({}).matches(undefined), true);
  });
  test('labels and expressions must all hold', () => {
    const selector = labelSelectorAsSelector({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['front', 'back'] },
        { key: 'gone', operator: 'DoesNotExist' },
        { key: 'weight', operator: 'Exists' },
        { key: 'app', operator: 'NotIn', values: ['db'] },
      ],
    });
    assert.equal(selector.matches(labels), true);
    assert.equal(selector.matches({ ...labels, gone: '' }), false);
    assert.equal(selector.matches({ ...labels, tier: 'x' }), false);
    assert.equal(selector.toString(), 'app=web,app notin (db),!gone,tier in (back,front),weight');
  });
  test('a broken one is refused', () => {
    const refuse = (operator: string, values: string[] | undefined, words: RegExp) =>
      assert.throws(() => labelSelectorAsSelector({ matchExpressions: [{ key: 'a', operator, values }] }), {
        message: words,
      });
    refuse('Like', ['b'], /^"Like" is not a valid label selector operator/);
    refuse('toString', ['b'], /is not a valid label selector operator/);
    refuse('In', [], /for 'in', 'notin' operators, values set can't be empty/);
    refuse('Exists', ['b'], /values set must be empty for exists and does not exist/);
  });
  test('of a set of labels', () => {
    assert.equal(selectorFromSet({ app: 'web', tier: 'front' }).matches(labels), true);
    assert.equal(selectorFromSet({ app: 'web', tier: 'back' }).matches(labels), false);
    assert.equal(selectorFromSet(undefined).empty, true);
  });
});
