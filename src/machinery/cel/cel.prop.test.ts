import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addInts, divideInts, multiplyInts, remainderInts, subtractInts } from './arithmetic.ts';
import type { Expr } from './ast.ts';
import { compare, equal } from './compare.ts';
import { compile, dynType, escapeName, kubernetesEnvironment, Regex, unescapeName } from './index.ts';
import { parse } from './parser.ts';
import { print } from './testkit/print.ts';
import { Double, intOf, maxInt, minInt, Uint } from './values.ts';

const names = fc.constantFrom('a', 'self', 'x1', '_y', 'object');
const offset = 0;
const literal = fc
  .oneof(
    fc.constantFrom<unknown>(null, true, false),
    fc.bigInt({ min: minInt, max: maxInt }).map(intOf),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => new Uint(value)),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new Double(value)),
    fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    fc.uint8Array({ maxLength: 8 }),
  )
  .map((value): Expr => ({ kind: 'literal', value, offset }));

const { expr } = fc.letrec<{ expr: Expr }>((tie) => {
  const inner = tie('expr');
  const call = (name: string, args: Expr[], target?: Expr): Expr => ({
    kind: 'call',
    name,
    args,
    offset,
    ...(target && { target }),
  });
  const binary = fc.constantFrom(
    '_+_',
    '_-_',
    '_*_',
    '_/_',
    '_%_',
    '_<_',
    '_<=_',
    '_==_',
    '_!=_',
    '@in',
    '_&&_',
    '_||_',
    '_[_]',
    '_[?_]',
  );
  return {
    expr: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      literal,
      names.map((name): Expr => ({ kind: 'ident', name, offset })),
      fc.tuple(inner, names).map(([operand, field]): Expr => ({ kind: 'select', operand, field, test: false, offset })),
      fc.tuple(binary, inner, inner).map(([name, a, b]) => call(name, [a, b])),
      fc.tuple(inner, inner, inner).map((args) => call('_?_:_', args)),
      fc.tuple(fc.constantFrom('f', 'size'), fc.array(inner, { maxLength: 3 })).map(([name, args]) => call(name, args)),
      fc.tuple(inner, fc.array(inner, { maxLength: 2 })).map(([target, args]) => call('startsWith', args, target)),
      fc.tuple(inner, names).map(([a, field]) => call('_?._', [a, { kind: 'literal', value: field, offset }])),
      fc
        .array(inner, { maxLength: 3 })
        .map((elements): Expr => ({ kind: 'list', elements, optionals: elements.length > 1 ? [1] : [], offset })),
      fc.array(fc.tuple(inner, inner, fc.boolean()), { maxLength: 2 }).map(
        (list): Expr => ({
          kind: 'map',
          entries: list.map(([key, value, optional]) => ({ key, value, optional, offset })),
          offset,
        }),
      ),
      fc.array(fc.tuple(names, inner), { maxLength: 2 }).map(
        (list): Expr => ({
          kind: 'struct',
          name: 'a.B',
          fields: list.map(([name, value]) => ({ name, value, optional: false, offset })),
          offset,
        }),
      ),
      fc
        .tuple(fc.constantFrom('all', 'exists', 'exists_one', 'map', 'filter'), inner, inner)
        .map(([name, range, body]) => call(name, [{ kind: 'ident', name: 'x', offset }, body], range)),
    ),
  };
});

test('what is printed is read as the same', () => {
  fc.assert(
    fc.property(expr, (tree) => {
      const source = print(tree);
      assert.equal(print(parse(source, kubernetesEnvironment)), source);
    }),
    { numRuns: 500 },
  );
});

const anyInt = fc.oneof(
  fc.bigInt({ min: minInt, max: maxInt }),
  fc.bigInt({ min: -100n, max: 100n }),
  fc.bigInt({ min: 2n ** 53n - 4n, max: 2n ** 53n + 4n }),
);

test('whole numbers are exact, and out of 64 bits an error', () => {
  const operations: [(a: any, b: any) => unknown, (a: bigint, b: bigint) => bigint][] = [
    [addInts, (a, b) => a + b],
    [subtractInts, (a, b) => a - b],
    [multiplyInts, (a, b) => a * b],
    [divideInts, (a, b) => a / b],
    [remainderInts, (a, b) => a % b],
  ];
  fc.assert(
    fc.property(anyInt, anyInt, fc.constantFrom(...operations), (a, b, [mine, exact]) => {
      if (b === 0n && (mine === divideInts || mine === remainderInts)) return;
      const wanted = exact(a, b);
      if (wanted < minInt || wanted > maxInt) assert.throws(() => mine(intOf(a), intOf(b)));
      else if (!(a === minInt && b === -1n)) assert.ok(Object.is(mine(intOf(a), intOf(b)), intOf(wanted)), `${a} ${b}`);
    }),
    { numRuns: 800 },
  );
});

test('numbers of all types have one order', () => {
  const number = fc.oneof(
    anyInt.map(intOf),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => new Uint(value)),
    fc.double({ noNaN: true }).map((value) => new Double(value)),
  );
  fc.assert(
    fc.property(number, number, (a, b) => {
      assert.equal(compare(a, b), -compare(b, a) + 0);
      assert.equal(compare(a, b) === 0, equal(a, b));
    }),
  );
});

test('a field has one identifier, and it stands for that field', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'B', '_', '.', '-', '/', '1'), minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(name, fc.constantFrom('namespace', 'in', 'true', 'for')), (field) => {
      const identifier = escapeName(field);
      if (identifier === undefined) return;
      assert.match(identifier, /^[A-Za-z_]\w*$/);
      assert.equal(unescapeName(identifier), field);
    }),
  );
});

test('patterns that both know match what JavaScript says', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '(?:ab|a)', '(a|b)', '\\b', '^', '$', 'c');
  const piece = fc
    .tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}', '*?', '+?'))
    .map(([one, count]) => (/^[\\^$]b?$/.test(one) ? one : one + count));
  const pattern = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      const found = new RegExp(source, 'u').exec(subject);
      const regex = new Regex(source);
      const place = regex.find(subject);
      assert.deepEqual(place, found ? [found.index, found.index + found[0].length] : undefined);
      assert.equal(regex.test(subject), found !== null);
    }),
    { numRuns: 800 },
  );
});

test('no source makes it throw, and no value makes an evaluation throw', () => {
  const environment = kubernetesEnvironment.extend({ variables: { self: dynType } });
  const token = fc.constantFrom(
    'self',
    '.',
    'a',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '?',
    '1',
    '1.5',
    '2u',
    "'s'",
    '+',
    '-',
    '!',
    '==',
    '<',
    '&&',
    '||',
    'in',
    'has(self.a)',
    '.all(x, x)',
    '.map(x, x)',
    '.size()',
    'dyn(1)',
    '"',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 8 }), fc.jsonValue(), (tokens, self) => {
      const { program } = compile(tokens.join(''), environment);
      const result = program?.evaluate({ self });
      if (result) assert.equal(result.value === undefined, result.error !== undefined);
    }),
    { numRuns: 1500 },
  );
});
