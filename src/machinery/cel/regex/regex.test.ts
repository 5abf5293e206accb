import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Regex, RegexError } from './index.ts';

const matching: [pattern: string, text: string, found: string | undefined][] = [
  ['a+b', 'xaab', 'aab'],
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', 'abc-1', 'abc-1'],
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', 'abc-', undefined],
  ['(a|ab)(c|bcd)', 'abcd', 'abcd'],
  ['a|ab', 'ab', 'a'],
  ['a*?b', 'aab', 'aab'],
  ['(?i)HeLLo', 'hello', 'hello'],
  ['(?i)[k]', '\u212a', '\u212a'],
  ['\\bfoo\\b', 'a foo b', 'foo'],
  ['\\Bfoo', 'xfoo', 'foo'],
  ['^b$', 'a\nb', undefined],
  ['(?m)^b$', 'a\nb\nc', 'b'],
  ['.', '\n', undefined],
  ['(?s).', '\n', '\n'],
  ['^.$', '😀', '😀'],
  ['\\pL+', '1añb', 'añb'],
  ['\\p{Greek}', 'aβ', 'β'],
  ['[[:alpha:]_]+', '1a_b', 'a_b'],
  ['[^\\d\\s]+', '1 ab2', 'ab'],
  ['[]a]+', 'a]', 'a]'],
  ['[a\\-z]+', '-', '-'],
  ['a{2,3}', 'aaaa', 'aaa'],
  ['a{2,3}?', 'aaaa', 'aa'],
  ['a{,2}', 'a{,2}', 'a{,2}'],
  ['\\Qa.b\\E+', 'a.bb', 'a.bb'],
  ['\\x41\\x{1F600}\\101', 'A😀A', 'A😀A'],
  ['(?P<name>a)', 'a', 'a'],
  ['', 'abc', ''],
];

test('patterns find what RE2 finds: leftmost, first alternative first', () => {
  for (const [pattern, text, found] of matching) {
    const regex = new Regex(pattern);
    const place = regex.find(text);
    assert.equal(place && text.slice(...place), found, `${pattern} in ${JSON.stringify(text)}`);
    assert.equal(regex.test(text), found !== undefined, `${pattern} on ${JSON.stringify(text)}`);
  }
});

test('what RE2 refuses is refused in its words', () => {
  const refused: Record<string, string> = {
    '(?=a)': 'invalid or unsupported Perl syntax: `(?=`',
    '(?<!a)b': 'invalid or unsupported Perl syntax: `(?<!`',
    '(a)\\1': 'invalid escape sequence: `\\1`',
    'a**': 'invalid nested repetition operator: `**`',
    'a{1001}': 'invalid repeat count: `{1001}`',
    '(a{1000}){2}': 'invalid repeat count: `(a{1000}){2}`',
    '[a': 'missing closing ]: `[a`',
    '(a': 'missing closing ): `(a`',
    'a)': 'unexpected ): `a)`',
    '*': 'missing argument to repetition operator: `*`',
    '[b-a]': 'invalid character class range: `b-a`',
    '\\': 'trailing backslash at end of expression: ``',
  };
  for (const [pattern, message] of Object.entries(refused)) {
    assert.throws(
      () => new Regex(pattern),
      (error) => error instanceof RegexError && error.message === `error parsing regexp: ${message}`,
      pattern,
    );
  }
});

test('all matches are found, each but once', () => {
  assert.deepEqual(new Regex('a*').findAll('baaac'), ['', 'aaa', '']);
  assert.deepEqual(new Regex('\\d').findAll('1a2b3', 2), ['1', '2']);
  assert.deepEqual(new Regex('x*').findAll('😀'), ['', '']);
});

test('a pattern that backtracking chokes on takes time in proportion to the text', () => {
  const text = 'a'.repeat(100_000);
  const started = performance.now();
  assert.equal(new Regex('(a*)*(a*)*b').test(text), false);
  assert.equal(new Regex('^(a|aa)+$').test(`${text}b`), false);
  assert.ok(performance.now() - started < 2000);
});
