/** The operators and functions that the language itself has. */
import {
  addInts,
  divideInts,
  durationOf,
  multiplyInts,
  nanosOf,
  negateInt,
  remainderInts,
  subtractInts,
  timestampOf,
  uintOf,
} from '../arithmetic.ts';
import { compare, concat, contains, equal } from '../compare.ts';
import type { Library } from '../environment.ts';
import { type CallCost, type Overload, overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { standardMacros } from '../macros.ts';
import { regexOf, RegexError } from '../regex/index.ts';
import { regexCost, sizeOf, traversal } from '../size.ts';
import { textSize } from '../text.ts';
import type { Duration, Timestamp } from '../values.ts';
import { Double, type List, listSize, mapGet, type Mapping, mapSize, Opaque, typeOfValue, Uint } from '../values.ts';
import { conversions } from './conversions.ts';
import { timeFunctions } from './timefunctions.ts';

const ofTarget: CallCost = ([target]) => traversal(sizeOf(target));
const ofBoth: CallCost = ([a, b]) => traversal(sizeOf(a) + sizeOf(b));
const ofShorter: CallCost = ([a, b]) => traversal(Math.min(sizeOf(a), sizeOf(b)));
const ofEquality: CallCost = (args, result) => (args[0] instanceof Opaque ? 1 : ofShorter(args, result));

const logical = [
  overload('conditional', '_?_:_(bool, A, A) -> A'),
  overload('logical_and', '_&&_(bool, bool) -> bool'),
  overload('logical_or', '_||_(bool, bool) -> bool'),
  overload('logical_not', '!_(bool) -> bool', (a: boolean) => !a),
  overload('not_strictly_false', '@not_strictly_false(bool) -> bool', (a: unknown) => a !== false),
  overload('equals', '_==_(A, A) -> bool', equal, ofEquality),
  overload('not_equals', '_!=_(A, A) -> bool', (a: unknown, b: unknown) => !equal(a, b), ofEquality),
];

const bytesSum = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const sum = new Uint8Array(a.length + b.length);
  sum.set(a);
  sum.set(b, a.length);
  return sum;
};

const arithmetic = [
  overload('add_bytes', '_+_(bytes, bytes) -> bytes', bytesSum, ofBoth),
  overload('add_double', '_+_(double, double) -> double', (a: Double, b: Double) => new Double(a.value + b.value)),
  overload('add_duration_duration', '_+_(duration, duration) -> duration', (a: Duration, b: Duration) =>
    durationOf(a.nanos + b.nanos),
  ),
  overload('add_duration_timestamp', '_+_(duration, timestamp) -> timestamp', (a: Duration, b: Timestamp) =>
    timestampOf(nanosOf(b) + a.nanos),
  ),
  overload('add_timestamp_duration', '_+_(timestamp, duration) -> timestamp', (a: Timestamp, b: Duration) =>
    timestampOf(nanosOf(a) + b.nanos),
  ),
  overload('add_int64', '_+_(int, int) -> int', addInts),
  overload('add_list', '_+_(list(A), list(A)) -> list(A)', concat),
  overload('add_string', '_+_(string, string) -> string', (a: string, b: string) => a + b, ofBoth),
  overload('add_uint64', '_+_(uint, uint) -> uint', (a: Uint, b: Uint) => uintOf(a.value + b.value)),
  overload('divide_double', '_/_(double, double) -> double', (a: Double, b: Double) => new Double(a.value / b.value)),
  overload('divide_int64', '_/_(int, int) -> int', divideInts),
  overload('divide_uint64', '_/_(uint, uint) -> uint', (a: Uint, b: Uint) =>
    b.value === 0n ? fail('division by zero') : new Uint(a.value / b.value),
  ),
  overload('modulo_int64', '_%_(int, int) -> int', remainderInts),
  overload('modulo_uint64', '_%_(uint, uint) -> uint', (a: Uint, b: Uint) =>
    b.value === 0n ? fail('modulus by zero') : new Uint(a.value % b.value),
  ),
  overload('multiply_double', '_*_(double, double) -> double', (a: Double, b: Double) => new Double(a.value * b.value)),
  overload('multiply_int64', '_*_(int, int) -> int', multiplyInts),
  overload('multiply_uint64', '_*_(uint, uint) -> uint', (a: Uint, b: Uint) => uintOf(a.value * b.value)),
  overload('negate_double', '-_(double) -> double', (a: Double) => new Double(-a.value)),
  overload('negate_int64', '-_(int) -> int', negateInt),
  overload('subtract_double', '_-_(double, double) -> double', (a: Double, b: Double) => new Double(a.value - b.value)),
  overload('subtract_duration_duration', '_-_(duration, duration) -> duration', (a: Duration, b: Duration) =>
    durationOf(a.nanos - b.nanos),
  ),
  overload('subtract_int64', '_-_(int, int) -> int', subtractInts),
  overload('subtract_timestamp_duration', '_-_(timestamp, duration) -> timestamp', (a: Timestamp, b: Duration) =>
    timestampOf(nanosOf(a) - b.nanos),
  ),
  overload('subtract_timestamp_timestamp', '_-_(timestamp, timestamp) -> duration', (a: Timestamp, b: Timestamp) =>
    durationOf(nanosOf(a) - nanosOf(b)),
  ),
  overload('subtract_uint64', '_-_(uint, uint) -> uint', (a: Uint, b: Uint) => uintOf(a.value - b.value)),
];

const orderedTypes: [string, string, string][] = [
  ['bool', 'bool', 'bool'],
  ['int64', 'int', 'int'],
  ['int64_double', 'int', 'double'],
  ['int64_uint64', 'int', 'uint'],
  ['uint64', 'uint', 'uint'],
  ['uint64_double', 'uint', 'double'],
  ['uint64_int64', 'uint', 'int'],
  ['double', 'double', 'double'],
  ['double_int64', 'double', 'int'],
  ['double_uint64', 'double', 'uint'],
  ['string', 'string', 'string'],
  ['bytes', 'bytes', 'bytes'],
  ['timestamp', 'timestamp', 'timestamp'],
  ['duration', 'duration', 'duration'],
];

function orderings(id: string, operator: string, holds: (order: number) => boolean): Overload[] {
  return orderedTypes.map(([name, left, right]) =>
    overload(
      `${id}_${name}`,
      `${operator}(${left}, ${right}) -> bool`,
      (a: unknown, b: unknown) => holds(compare(a, b)),
      name === 'string' || name === 'bytes' ? ofShorter : undefined,
    ),
  );
}

const relations = [
  ...orderings('less', '_<_', (order) => order < 0),
  ...orderings('less_equals', '_<=_', (order) => order <= 0),
  ...orderings('greater', '_>_', (order) => order > 0),
  ...orderings('greater_equals', '_>=_', (order) => order >= 0),
];

const collections = [
  overload('index_list', '_[_](list(A), int) -> A'),
  overload('index_map', '_[_](map(A, B), A) -> B'),
  overload(
    'in_list',
    '@in(A, list(A)) -> bool',
    (a: unknown, list: List) => contains(list, a),
    ([, list]) => sizeOf(list),
  ),
  overload('in_map', '@in(A, map(A, B)) -> bool', (key: unknown, map: Mapping) => mapGet(map, key) !== undefined),
  overload('size_bytes', 'size(bytes) -> int', (a: Uint8Array) => a.length),
  overload('bytes_size', 'bytes.size() -> int', (a: Uint8Array) => a.length),
  overload('size_list', 'size(list(A)) -> int', listSize),
  overload('list_size', 'list(A).size() -> int', listSize),
  overload('size_map', 'size(map(A, B)) -> int', mapSize),
  overload('map_size', 'map(A, B).size() -> int', mapSize),
  overload('size_string', 'size(string) -> int', textSize),
  overload('string_size', 'string.size() -> int', textSize),
];

export function matches(text: string, pattern: string): boolean {
  try {
    return regexOf(pattern).test(text);
  } catch (error) {
    return error instanceof RegexError ? fail(error.message) : fail(String(error));
  }
}

const matchCost: CallCost = ([text, pattern]) => regexCost(sizeOf(text), sizeOf(pattern));

const strings = [
  overload(
    'contains_string',
    'string.contains(string) -> bool',
    (a: string, b: string) => a.includes(b),
    ([a, b]) => traversal(sizeOf(a)) * traversal(sizeOf(b)),
  ),
  overload('ends_with_string', 'string.endsWith(string) -> bool', (a: string, b: string) => a.endsWith(b), ofTarget),
  overload(
    'starts_with_string',
    'string.startsWith(string) -> bool',
    (a: string, b: string) => a.startsWith(b),
    ofTarget,
  ),
  overload('matches', 'matches(string, string) -> bool', matches),
  overload('matches_string', 'string.matches(string) -> bool', matches, matchCost),
];

export const standardLibrary: Library = {
  overloads: [
    ...logical,
    ...arithmetic,
    ...relations,
    ...collections,
    ...strings,
    ...conversions,
    ...timeFunctions,
    overload('type', 'type(A) -> type(A)', typeOfValue),
    overload('to_dyn', 'dyn(A) -> dyn', (a: unknown) => a),
  ],
  macros: standardMacros,
};
