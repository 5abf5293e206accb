/** Equality and order of values. */
import { compareBytes } from './bytes.ts';
import { fail } from './failure.ts';
import { sameType, Type } from './types.ts';
import {
  CelMap,
  Double,
  Duration,
  isList,
  isMap,
  type List,
  listItem,
  listSize,
  mapGet,
  mapKeys,
  mapSize,
  type Mapping,
  Opaque,
  Optional,
  StructValue,
  Timestamp,
  TypedList,
  TypedObject,
  Uint,
} from './values.ts';

type Numeric = number | bigint | Uint | Double;

export function isNumeric(value: unknown): value is Numeric {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint || value instanceof Double;
}

/** Below 0, 0, above 0; NaN when one of them is not a number. Whole numbers are rounded to doubles to be compared with them. */
export function compareNumbers(a: Numeric, b: Numeric): number {
  let left: number | bigint = plain(a);
  let right: number | bigint = plain(b);
  if (a instanceof Double) right = Number(right);
  if (b instanceof Double) left = Number(left);
  if (left < right) return -1;
  if (left > right) return 1;
  return Number.isNaN(left) || Number.isNaN(right) ? Number.NaN : 0;
}

function plain(value: Numeric): number | bigint {
  return typeof value === 'object' ? value.value : value;
}

export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    return isNumeric(a) && isNumeric(b) && compareNumbers(a, b) === 0;
  }
  if (isNumeric(a)) return isNumeric(b) && compareNumbers(a, b) === 0;
  if (isList(a)) return isList(b) && equalLists(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Optional) return b instanceof Optional && equalOptionals(a, b);
  if (a instanceof Type) return b instanceof Type && a.kind === b.kind && a.name === b.name;
  if (a instanceof Opaque) return a.equals(b);
  if (a instanceof StructValue) return b instanceof StructValue && equalStructs(a, b);
  return isObject(a) && isObject(b) && equalMaps(a, b);
}

function isObject(value: object): value is Mapping {
  return value instanceof TypedObject || isMap(value);
}

function equalOptionals(a: Optional, b: Optional): boolean {
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return equal(a.value, b.value);
}

function equalStructs(a: StructValue, b: StructValue): boolean {
  if (!sameType(a.type, b.type) || a.fields.size !== b.fields.size) return false;
  for (const [name, value] of a.fields) if (!b.fields.has(name) || !equal(value, b.fields.get(name))) return false;
  return true;
}

function equalMaps(a: Mapping, b: Mapping): boolean {
  if (mapSize(a) !== mapSize(b)) return false;
  for (const key of mapKeys(a)) {
    const other = mapGet(b, key);
    if (other === undefined || !equal(mapGet(a, key), other)) return false;
  }
  return true;
}

function equalLists(a: List, b: List): boolean {
  const size = listSize(a);
  if (size !== listSize(b)) return false;
  if (a instanceof TypedList && a.rules.kind) return a.rules.kind === 'set' ? sameSet(a, b) : sameItems(a, b);
  for (let i = 0; i < size; i++) if (!equal(listItem(a, i), listItem(b, i))) return false;
  return true;
}

/** Sets are of scalars, and have no item twice. */
function sameSet(a: TypedList, b: List): boolean {
  const items = new Set(a.items);
  const other = rawItems(b);
  return other.every((item) => items.has(item));
}

function rawItems(list: List): readonly unknown[] {
  return (list instanceof TypedList ? list.items : list).map((item) => (item instanceof Double ? item.value : item));
}

/** What names an item of a list that is a map to Kubernetes. */
export function itemKey(raw: unknown, keys: readonly string[]): string {
  const object = raw instanceof TypedObject ? raw.raw : raw;
  const fields = typeof object === 'object' && object !== null ? (object as Record<string, unknown>) : {};
  return JSON.stringify(keys.map((key) => (fields instanceof CelMap ? mapGet(fields, key) : fields[key]) ?? null));
}

function sameItems(a: TypedList, b: List): boolean {
  const keys = a.rules.keys ?? [];
  const places = new Map(a.items.map((item, i) => [itemKey(item, keys), i]));
  for (let i = 0; i < listSize(b); i++) {
    const item = listItem(b, i);
    const place = places.get(itemKey(item, keys));
    if (place === undefined || !equal(listItem(a, place), item)) return false;
  }
  return true;
}

/** `a + b` of lists; sets and maps to Kubernetes are merged. */
export function concat(a: List, b: List): List {
  if (!(a instanceof TypedList) || !a.rules.kind) {
    const right = Array.from({ length: listSize(b) }, (_, i) => listItem(b, i));
    return Array.from({ length: listSize(a) }, (_, i) => listItem(a, i)).concat(right);
  }
  const keys = a.rules.keys ?? [];
  const nameOf = (item: unknown) => (a.rules.kind === 'set' ? item : itemKey(item, keys));
  const merged = new Map(a.items.map((item) => [nameOf(item), item]));
  const other = b instanceof TypedList ? b.items : rawItems(b);
  for (const item of other) if (a.rules.kind === 'map' || !merged.has(nameOf(item))) merged.set(nameOf(item), item);
  return new TypedList([...merged.values()], a.rules);
}

/** Below 0, 0 or above 0. Fails for what has no order, and for NaN. */
export function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (isNumeric(a) && isNumeric(b)) {
    const order = compareNumbers(a, b);
    return Number.isNaN(order) ? fail('NaN values cannot be ordered') : order;
  }
  if (a instanceof Timestamp && b instanceof Timestamp) return Math.sign(a.seconds - b.seconds || a.nanos - b.nanos);
  if (a instanceof Duration && b instanceof Duration) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  return fail('no such overload');
}

/** By code points, which is by UTF-8 bytes, too; `<` of strings is by UTF-16 units. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    const surrogates = (left >= 0xd800 && left < 0xe000 ? 1 : 0) - (right >= 0xd800 && right < 0xe000 ? 1 : 0);
    return surrogates !== 0 ? surrogates : left < right ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

/** Whether a list has an item equal to the value. */
export function contains(list: List, value: unknown): boolean {
  const size = listSize(list);
  for (let i = 0; i < size; i++) if (equal(listItem(list, i), value)) return true;
  return false;
}
