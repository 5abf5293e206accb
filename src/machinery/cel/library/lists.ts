/** Functions over lists: Kubernetes' own and those of cel-go's extension. */
import { addInts, durationOf, uintOf } from '../arithmetic.ts';
import { compare, contains, equal } from '../compare.ts';
import type { Library } from '../environment.ts';
import { type CallCost, type Overload, overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { listMacros } from '../macros.ts';
import { sizeOf, traversalFactor, traversalOf } from '../size.ts';
import { Double, Duration, type Int, isList, type List, listItem, listItems, listSize, Uint } from '../values.ts';

const ofItems: CallCost = ([list]) => traversalOf(list);

const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

function isSorted(list: List): boolean {
  const items = listItems(list);
  return items.every((item, i) => i === 0 || compare(items[i - 1], item) <= 0);
}

function extreme(name: string, sign: number): (list: List) => unknown {
  return (list) => {
    if (listSize(list) === 0) return fail(`${name} called on empty list`);
    return listItems(list).reduce((best, item) => (compare(item, best) * sign > 0 ? item : best));
  };
}

const zeros: Record<string, unknown> = {
  int: 0,
  uint: new Uint(0n),
  double: new Double(0),
  duration: new Duration(0n),
};

/** Of two values of one type; which, only they tell when the list is of any type. */
function plus(a: unknown, b: unknown): unknown {
  if (a instanceof Double && b instanceof Double) return new Double(a.value + b.value);
  if (a instanceof Uint && b instanceof Uint) return uintOf(a.value + b.value);
  if (a instanceof Duration && b instanceof Duration) return durationOf(a.nanos + b.nanos);
  return isInt(a) && isInt(b) ? addInts(a, b) : fail('no such overload');
}

const isInt = (value: unknown): value is Int => typeof value === 'number' || typeof value === 'bigint';

function sum(list: List, zero: unknown): unknown {
  const [first = zero, ...rest] = listItems(list);
  const summable = isInt(first) || first instanceof Uint || first instanceof Double || first instanceof Duration;
  if (!summable) return fail('no such overload: sum(list)');
  return rest.reduce(plus, first);
}

function indexOf(list: List, value: unknown): number {
  for (let i = 0; i < listSize(list); i++) if (equal(listItem(list, i), value)) return i;
  return -1;
}

function lastIndexOf(list: List, value: unknown): number {
  for (let i = listSize(list) - 1; i >= 0; i--) if (equal(listItem(list, i), value)) return i;
  return -1;
}

export const kubernetesLists: Library = {
  overloads: [
    ...comparable.flatMap((type) => [
      overload(`list_${type}_is_sorted_bool`, `list(${type}).isSorted() -> bool`, isSorted, ofItems),
      overload(`list_${type}_max_${type}`, `list(${type}).max() -> ${type}`, extreme('max', 1), ofItems),
      overload(`list_${type}_min_${type}`, `list(${type}).min() -> ${type}`, extreme('min', -1), ofItems),
    ]),
    ...Object.entries(zeros).map(([type, zero]) =>
      overload(`list_${type}_sum_${type}`, `list(${type}).sum() -> ${type}`, (list: List) => sum(list, zero), ofItems),
    ),
    overload('list_a_index_of_int', 'list(A).indexOf(A) -> int', indexOf, ofItems),
    overload('list_a_last_index_of_int', 'list(A).lastIndexOf(A) -> int', lastIndexOf, ofItems),
  ],
};

/** A call, a new list, and `factor` for each of `size`. */
const allocating = (size: number, factor = 1) => Math.floor(size * factor) + 11;
const ofOutput: CallCost = (_args, result) => allocating(sizeOf(result));
const ofFlatten: CallCost = ([list, depth], _result) =>
  allocating(sizeOf(list), depth === undefined ? 1 : Number(depth));

function ofPairs(list: List): number {
  const size = listSize(list);
  if (size === 0) return allocating(0);
  const first = listItem(list, 0);
  const long = typeof first === 'string' || first instanceof Uint8Array;
  return allocating(size * size, long ? 2 + traversalFactor : 2);
}

const ofFirst: CallCost = ([list]) => ofPairs(list as List);
const ofSecond: CallCost = ([, keys]) => ofPairs(keys as List);

const maxRange = 1_000_000;

function range(count: Int): number[] {
  if (count > maxRange) return fail(`lists.range(${count}): at most ${maxRange} items`);
  return Array.from({ length: Math.max(0, Number(count)) }, (_, i) => i);
}

function slice(list: List, start: Int, end: Int): unknown[] {
  if (start < 0 || end < 0) return fail(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end) return fail(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (listSize(list) < end) return fail(`cannot slice(${start}, ${end}), list is length ${listSize(list)}`);
  return listItems(list).slice(Number(start), Number(end));
}

function flatten(list: List, depth: Int = 1): unknown[] {
  if (depth < 0) return fail('level must be non-negative');
  return listItems(list).flatMap((item) => (isList(item) && depth > 0 ? flatten(item, Number(depth) - 1) : [item]));
}

function distinct(list: List): unknown[] {
  const scalars = new Set<unknown>();
  const found: unknown[] = [];
  for (const item of listItems(list)) {
    const scalar = typeof item === 'string' || typeof item === 'boolean';
    if (scalar ? scalars.has(item) : contains(found, item)) continue;
    if (scalar) scalars.add(item);
    found.push(item);
  }
  return found;
}

function sortByKeys(list: List, keys: List): unknown[] {
  if (listSize(list) !== listSize(keys)) {
    return fail(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${listSize(list)} and ${listSize(keys)} elements respectively`,
    );
  }
  const items = listItems(list);
  const by = listItems(keys);
  return items
    .map((_, i) => i)
    .toSorted((a, b) => compare(by[a], by[b]))
    .map((i) => items[i]);
}

export const listsExtension: Library = {
  overloads: [
    overload('list_slice', 'list(A).slice(int, int) -> list(A)', slice, ofOutput),
    overload('list_flatten', 'list(list(A)).flatten() -> list(A)', (list: List) => flatten(list), ofFlatten),
    overload('list_flatten_int', 'list(dyn).flatten(int) -> list(dyn)', flatten, ofFlatten),
    ...comparable.flatMap((type): Overload[] => [
      overload(
        `list_${type}_sort`,
        `list(${type}).sort() -> list(${type})`,
        (list: List) => sortByKeys(list, list),
        ofFirst,
      ),
      overload(
        `list_${type}_sortByAssociatedKeys`,
        `list(A).@sortByAssociatedKeys(list(${type})) -> list(A)`,
        sortByKeys,
        ofSecond,
      ),
    ]),
    overload('lists_range', 'lists.range(int) -> list(int)', range, ofOutput),
    overload('list_reverse', 'list(A).reverse() -> list(A)', (list: List) => listItems(list).toReversed(), ofOutput),
    overload('list_distinct', 'list(A).distinct() -> list(A)', distinct, ofFirst),
  ],
  macros: listMacros,
};
