/**
 * The values of expressions. Plain JSON is read as it is, without copies: null, booleans, strings, arrays and objects stand
 * for themselves, and a number without a fraction is an int. What JSON has no words for are the classes below.
 *
 * An int is a number where that is exact, and a bigint beyond, never the other way round; so `===` compares ints.
 */
import { fail } from './failure.ts';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listType,
  mapType,
  nullType,
  optionalType,
  stringType,
  timestampType,
  Type,
  typeType,
  uintType,
} from './types.ts';

export type Int = number | bigint;

export const minInt = -(2n ** 63n);
export const maxInt = 2n ** 63n - 1n;
export const maxUint = 2n ** 64n - 1n;

/** The int of a bigint that fits; the caller has checked that. */
export function intOf(value: bigint): Int {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** The int of any bigint; an error of the language beyond 64 bits. */
export function checkedInt(value: bigint): Int {
  return value < minInt || value > maxInt ? fail('integer overflow') : intOf(value);
}

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A point in time, to the nanosecond, in the years 1 to 9999. */
export class Timestamp {
  /** Since the Unix epoch; whole, rounded down. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanos: number;
  /** Of the zone that it was written in, in minutes; it shows when the time is written again. */
  readonly offset: number;
  constructor(seconds: number, nanos: number, offset = 0) {
    this.seconds = seconds;
    this.nanos = nanos;
    this.offset = offset;
  }
}

export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class Optional {
  /** Undefined: none. */
  readonly value: unknown;
  constructor(value?: unknown) {
    this.value = value;
  }
}

export const none = new Optional();

/** A value of a type that only functions look into: an address, a quantity, a check of authorization. */
export abstract class Opaque {
  abstract readonly type: Type;
  abstract equals(other: unknown): boolean;
  /** What `size` would be in the reckoning of costs. */
  get size(): number {
    return 1;
  }
}

/** A map made by an expression; its keys may be other than strings. */
export class CelMap {
  /** By `mapKey`, in the order of writing. */
  readonly entries = new Map<unknown, { key: unknown; value: unknown }>();
}

/** Equal keys give the same: numbers of any type by their value. */
export function mapKey(key: unknown): unknown {
  if (typeof key === 'number' || typeof key === 'string' || typeof key === 'boolean') return key;
  if (key instanceof Uint) return intOf(key.value);
  if (key instanceof Double) return Number.isInteger(key.value) ? intOf(BigInt(key.value)) : key;
  return key;
}

/** A JSON array whose items are not values as they stand, or that is a set or a map to Kubernetes. */
export interface ListRules {
  readonly adapt?: (raw: unknown) => unknown;
  readonly kind?: 'set' | 'map';
  /** With kind map: the fields that name an item. */
  readonly keys?: readonly string[];
}

export class TypedList {
  readonly items: readonly unknown[];
  readonly rules: ListRules;
  constructor(items: readonly unknown[], rules: ListRules) {
    this.items = items;
    this.rules = rules;
  }
}

export interface ObjectRules {
  /** What the object holds as the field `name` of expressions, or undefined. */
  get(raw: Record<string, unknown>, name: string): unknown;
  /** The names that expressions see. */
  names(raw: Record<string, unknown>): string[];
  /** The type of a struct; absent for a map. */
  readonly type?: Type;
}

/** A JSON object whose fields are not values as they stand, or have other names in expressions. */
export class TypedObject {
  readonly raw: Record<string, unknown>;
  readonly rules: ObjectRules;
  constructor(raw: Record<string, unknown>, rules: ObjectRules) {
    this.raw = raw;
    this.rules = rules;
  }
}

/** A value of a struct type, made by `Name{…}`. */
export class StructValue {
  readonly type: Type;
  readonly fields: ReadonlyMap<string, unknown>;
  constructor(type: Type, fields: ReadonlyMap<string, unknown>) {
    this.type = type;
    this.fields = fields;
  }
}

/** What a JSON value is where nothing more is known of it. */
export function adapt(raw: unknown): unknown {
  if (typeof raw === 'number') return Number.isSafeInteger(raw) ? raw : adaptNumber(raw);
  return raw === undefined ? null : raw;
}

function adaptNumber(raw: number): unknown {
  return Number.isInteger(raw) && Math.abs(raw) < 2 ** 63 ? BigInt(raw) : new Double(raw);
}

export type List = readonly unknown[] | TypedList;
export type Mapping = Record<string, unknown> | CelMap | TypedObject;

export const isList = (value: unknown): value is List => Array.isArray(value) || value instanceof TypedList;

export function isMap(value: unknown): value is Mapping {
  if (value instanceof CelMap) return true;
  if (value instanceof TypedObject) return value.rules.type === undefined;
  return isPlainObject(value);
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function listSize(list: List): number {
  return list instanceof TypedList ? list.items.length : list.length;
}

export function listItem(list: List, index: number): unknown {
  if (!(list instanceof TypedList)) return adapt(list[index]);
  return (list.rules.adapt ?? adapt)(list.items[index]);
}

/** The items as values; the array itself where nothing needs adapting. */
export function listItems(list: List): readonly unknown[] {
  if (list instanceof TypedList) return list.items.map(list.rules.adapt ?? adapt);
  return list.some((item) => typeof item === 'number' || item === undefined) ? list.map(adapt) : list;
}

export function mapSize(map: Mapping): number {
  if (map instanceof CelMap) return map.entries.size;
  if (map instanceof TypedObject) return map.rules.names(map.raw).length;
  let size = 0;
  for (const name in map) if (map[name] !== undefined) size++;
  return size;
}

/** Undefined when there is none. */
export function mapGet(map: Mapping, key: unknown): unknown {
  if (map instanceof CelMap) return map.entries.get(mapKey(key))?.value;
  if (typeof key !== 'string') return undefined;
  if (map instanceof TypedObject) return map.rules.get(map.raw, key);
  if (!Object.hasOwn(map, key)) return undefined;
  const raw = map[key];
  return raw === undefined ? undefined : adapt(raw);
}

export function mapKeys(map: Mapping): unknown[] {
  if (map instanceof CelMap) return [...map.entries.values()].map(({ key }) => key);
  if (map instanceof TypedObject) return map.rules.names(map.raw);
  return Object.keys(map).filter((name) => map[name] !== undefined);
}

/** The type of a value, as `type()` tells it. */
export function typeOfValue(value: unknown): Type {
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return intType;
    case 'string':
      return stringType;
    case 'boolean':
      return boolType;
    default:
      return typeOfObject(value);
  }
}

const anyList = listType(dynType);
const anyMap = mapType(dynType, dynType);
const anyOptional = optionalType(dynType);

function typeOfObject(value: unknown): Type {
  if (value === null || value === undefined) return nullType;
  if (isList(value)) return anyList;
  if (value instanceof Double) return doubleType;
  if (value instanceof Uint) return uintType;
  if (value instanceof Uint8Array) return bytesType;
  if (value instanceof Timestamp) return timestampType;
  if (value instanceof Duration) return durationType;
  if (value instanceof Optional) return anyOptional;
  if (value instanceof Type) return typeType;
  if (value instanceof Opaque || value instanceof StructValue) return value.type;
  if (value instanceof TypedObject && value.rules.type) return value.rules.type;
  return anyMap;
}

/** Whether a value belongs to the type; parameters of lists and maps are not looked into. */
export function hasType(value: unknown, type: Type): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
      return true;
    case 'int':
      return typeof value === 'number' || typeof value === 'bigint';
    case 'string':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'map':
      return isMap(value);
    case 'list':
      return isList(value);
    default: {
      const found = typeOfValue(value);
      return found.kind === type.kind && found.name === type.name;
    }
  }
}
