/** Mathematics, as cel-go's extension has it; not part of what Kubernetes offers. */
import { compare } from '../compare.ts';
import type { Library } from '../environment.ts';
import { fail } from '../failure.ts';
import type { MacroExpander } from '../macros.ts';
import { overload, type Overload } from '../overload.ts';
import { SyntaxProblem } from '../source.ts';
import { checkedInt, Double, type Int, intOf, type List, listItems, Uint } from '../values.ts';

const numbers = ['double', 'int', 'uint'];

const extreme: MacroExpander = (write, { name, target, args }) => {
  if (target?.kind !== 'ident' || target.name !== 'math') return undefined;
  const problem = (why: string): never => {
    throw new SyntaxProblem(write.offset, `math.${name}() ${why}`);
  };
  if (args.length === 0) problem('requires at least one argument');
  for (const arg of args) {
    const simple =
      arg.kind === 'literal' && (typeof arg.value === 'string' || typeof arg.value === 'boolean' || arg.value === null);
    if (simple || arg.kind === 'map' || arg.kind === 'struct') problem('simple literal arguments must be numeric');
    if (args.length === 1 && arg.kind === 'list' && arg.elements.length === 0) problem('invalid single argument value');
  }
  const called = name === 'greatest' ? 'math.@max' : 'math.@min';
  return args.length < 3 ? write.call(called, ...args) : write.call(called, write.list(...args));
};

function extremes(name: string, sign: number): Overload[] {
  const better = (a: unknown, b: unknown) => (compare(b, a) * sign > 0 ? b : a);
  const ofList = (list: List) =>
    listItems(list).length === 0
      ? fail(`math.@${name}(list) argument must not be empty`)
      : listItems(list).reduce(better);
  return numbers.flatMap((type) => [
    overload(`math_@${name}_${type}`, `math.@${name}(${type}) -> ${type}`, (a: unknown) => a),
    ...numbers.map((other) =>
      overload(
        `math_@${name}_${type}_${other}`,
        `math.@${name}(${type}, ${other}) -> ${type === other ? type : 'dyn'}`,
        better,
      ),
    ),
    overload(`math_@${name}_list_${type}`, `math.@${name}(list(${type})) -> ${type}`, ofList),
  ]);
}

/** Halves away from zero. */
function round(value: number): number {
  if (!Number.isFinite(value)) return value;
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

function ofDouble(name: string, of: (value: number) => number): Overload {
  return overload(
    `math_${name}_double`,
    `math.${name}(double) -> double`,
    ({ value }: Double) => new Double(of(value)),
  );
}

function test(name: string, of: (value: number) => boolean): Overload {
  return overload(`math_${name}_double`, `math.${name}(double) -> bool`, ({ value }: Double) => of(value));
}

const mask = (value: bigint) => new Uint(BigInt.asUintN(64, value));
const wrap = (value: bigint) => intOf(BigInt.asIntN(64, value));

function bitwise(name: string, of: (a: bigint, b: bigint) => bigint): Overload[] {
  return [
    overload(`math_${name}_int_int`, `math.${name}(int, int) -> int`, (a: Int, b: Int) =>
      wrap(of(BigInt(a), BigInt(b))),
    ),
    overload(`math_${name}_uint_uint`, `math.${name}(uint, uint) -> uint`, (a: Uint, b: Uint) =>
      mask(of(a.value, b.value)),
    ),
  ];
}

function shift(name: string, of: (a: bigint, by: bigint) => bigint): Overload[] {
  const by = (count: Int): bigint => (count < 0 ? fail(`math.${name}() negative offset: ${count}`) : BigInt(count));
  return [
    overload(`math_${name}_int_int`, `math.${name}(int, int) -> int`, (a: Int, count: Int) => {
      const distance = by(count);
      return count >= 64 ? 0 : wrap(of(BigInt.asUintN(64, BigInt(a)), distance));
    }),
    overload(`math_${name}_uint_int`, `math.${name}(uint, int) -> uint`, (a: Uint, count: Int) => {
      const distance = by(count);
      return count >= 64 ? new Uint(0n) : mask(of(a.value, distance));
    }),
  ];
}

const magnitude = (a: Int) => checkedInt(BigInt(a) < 0n ? -BigInt(a) : BigInt(a));
const sign = (a: Int) => (a < 0 ? -1 : a > 0 ? 1 : 0);

export const mathLibrary: Library = {
  overloads: [
    ...extremes('max', 1),
    ...extremes('min', -1),
    ofDouble('ceil', Math.ceil),
    ofDouble('floor', Math.floor),
    ofDouble('round', round),
    ofDouble('trunc', Math.trunc),
    ofDouble('abs', Math.abs),
    overload('math_abs_int', 'math.abs(int) -> int', magnitude),
    overload('math_abs_uint', 'math.abs(uint) -> uint', (a: Uint) => a),
    ofDouble('sign', Math.sign),
    overload('math_sign_int', 'math.sign(int) -> int', sign),
    overload('math_sign_uint', 'math.sign(uint) -> uint', (a: Uint) => new Uint(a.value === 0n ? 0n : 1n)),
    test('isInf', (value) => Math.abs(value) === Infinity),
    test('isNaN', Number.isNaN),
    test('isFinite', Number.isFinite),
    ...bitwise('bitAnd', (a, b) => a & b),
    ...bitwise('bitOr', (a, b) => a | b),
    ...bitwise('bitXor', (a, b) => a ^ b),
    overload('math_bitNot_int', 'math.bitNot(int) -> int', (a: Int) => wrap(~BigInt(a))),
    overload('math_bitNot_uint', 'math.bitNot(uint) -> uint', (a: Uint) => mask(~a.value)),
    ...shift('bitShiftLeft', (a, by) => a << by),
    ...shift('bitShiftRight', (a, by) => a >> by),
    overload('math_sqrt_double', 'math.sqrt(double) -> double', ({ value }: Double) => new Double(Math.sqrt(value))),
    overload('math_sqrt_int', 'math.sqrt(int) -> double', (a: Int) => new Double(Math.sqrt(Number(a)))),
    overload('math_sqrt_uint', 'math.sqrt(uint) -> double', (a: Uint) => new Double(Math.sqrt(Number(a.value)))),
  ],
  macros: { 'greatest:*:true': extreme, 'least:*:true': extreme },
};
