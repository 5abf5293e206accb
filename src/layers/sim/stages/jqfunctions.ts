/** The functions of JSON queries. Each takes its arguments as filters. */
export type Value = unknown;
type Filter = (input: Value) => Value[];

export const truthy = (value: Value): boolean => value !== null && value !== undefined && value !== false;

export const same = (a: Value, b: Value): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));

export function stumble(why: string): never {
  throw new Error(why);
}

const textOf = (value: Value): string => (typeof value === 'string' ? value : stumble('a string is expected'));
const listOf = (value: Value): Value[] => (Array.isArray(value) ? value : stumble('an array is expected'));

/** One result from the input alone. */
const plain = (of: (input: Value) => Value) => (): Filter => (input) => [of(input)];

/** One result for each of its argument's. */
const withEach =
  (of: (input: Value, argument: Value) => Value) =>
  ([argument]: Filter[]): Filter =>
  (input) =>
    (argument ?? stumble('an argument is missing'))(input).map((one) => of(input, one));

function lengthOf(value: Value): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'number') return Math.abs(value);
  if (typeof value === 'string') return [...value].length;
  return typeof value === 'object' ? Object.keys(value).length : stumble('this has no length');
}

function numberOf(value: Value): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && !Number.isNaN(number) ? number : stumble('this is not a number');
}

function has(value: Value, key: Value): boolean {
  if (Array.isArray(value)) return typeof key === 'number' && key >= 0 && key < value.length;
  return value !== null && typeof value === 'object' ? Object.hasOwn(value, String(key)) : stumble('this has no keys');
}

const quantified =
  (of: (list: Value[], is: (value: Value) => boolean) => boolean) =>
  ([condition]: Filter[]): Filter =>
  (input) => [of(listOf(input), (one) => (condition ? condition(one).some(truthy) : truthy(one)))];

export const functions: Record<string, (args: Filter[]) => Filter> = {
  select:
    ([condition]) =>
    (input) =>
      condition!(input)
        .filter(truthy)
        .map(() => input),
  map:
    ([of]) =>
    (input) => [listOf(input).flatMap((one) => of!(one))],
  empty: () => () => [],
  not: plain((input) => !truthy(input)),
  length: plain(lengthOf),
  keys: plain((input) => Object.keys(input as object).sort()),
  tonumber: plain(numberOf),
  tostring: plain((input) => (typeof input === 'string' ? input : JSON.stringify(input))),
  type: plain((input) => (input === null ? 'null' : Array.isArray(input) ? 'array' : typeof input)),
  first: ([of]) => (of ? (input) => of(input).slice(0, 1) : (input) => [listOf(input)[0] ?? null]),
  last: ([of]) => (of ? (input) => of(input).slice(-1) : (input) => [listOf(input).at(-1) ?? null]),
  ascii_downcase: plain((input) => textOf(input).toLowerCase()),
  ascii_upcase: plain((input) => textOf(input).toUpperCase()),
  has: withEach(has),
  startswith: withEach((input, what) => textOf(input).startsWith(textOf(what))),
  endswith: withEach((input, what) => textOf(input).endsWith(textOf(what))),
  contains: withEach((input, what) =>
    typeof input === 'string' ? input.includes(textOf(what)) : listOf(what).every((one) => listOf(input).includes(one)),
  ),
  split: withEach((input, by) => textOf(input).split(textOf(by))),
  join: withEach((input, by) => listOf(input).join(textOf(by))),
  any: quantified((list, is) => list.some(is)),
  all: quantified((list, is) => list.every(is)),
};
