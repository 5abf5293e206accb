/** Fields and elements of values. */
import { fail } from './failure.ts';
import { isOptional, type Type } from './types.ts';
import {
  adapt,
  Double,
  type Int,
  isList,
  isMap,
  type List,
  listItem,
  listSize,
  mapGet,
  none,
  Optional,
  StructValue,
  TypedObject,
  typeOfValue,
  Uint,
} from './values.ts';

export interface Access {
  /** Fails when it is not there. */
  readonly get: (value: unknown) => unknown;
  readonly has: (value: unknown) => boolean;
  /** The operand is an optional, and so is the result. */
  readonly optional: boolean;
}

/** How a field is read of a value whose type is known, as far as it is. */
export function accessOf(type: Type, name: string): Access {
  const optional = isOptional(type);
  const field = type.kind === 'struct' && type.fields?.plain ? type.fields.get(name) : undefined;
  if (field && !(field.key in Object.prototype)) return { ...plainAccess(field.key), optional };
  return {
    get: (value) => {
      const found = selectValue(value, name);
      return found === undefined ? fail(`no such key: ${name}`) : found;
    },
    has: (value) => {
      const target = value instanceof Optional ? value.value : value;
      return target !== undefined && selectValue(target, name) !== undefined;
    },
    optional,
  };
}

type Fields = Record<string, unknown>;

/** Of JSON objects whose fields are values as they stand. */
function plainAccess(key: string): Pick<Access, 'get' | 'has'> {
  return {
    get: (value) => {
      const isObject = typeof value === 'object' && value !== null;
      const found = isObject && !(value instanceof StructValue) ? (value as Fields)[key] : selectValue(value, key);
      if (typeof found === 'string') return found;
      return found === undefined ? fail(`no such key: ${key}`) : adapt(found);
    },
    has: (value) => {
      if (typeof value !== 'object' || value === null) return false;
      return value instanceof StructValue ? value.fields.has(key) : (value as Fields)[key] !== undefined;
    },
  };
}

/** Undefined when there is none. */
export function selectValue(value: unknown, name: string): unknown {
  if (isMap(value) || value instanceof TypedObject) return mapGet(value, name);
  return value instanceof StructValue ? value.fields.get(name) : undefined;
}

export function selectOptional(value: unknown, name: string): Optional {
  if (value instanceof Optional) return value.value === undefined ? none : selectOptional(value.value, name);
  const found = selectValue(value, name);
  return found === undefined ? none : new Optional(found);
}

export function optionalIndex(value: unknown, key: unknown): Optional {
  if (value instanceof Optional) return value.value === undefined ? none : optionalIndex(value.value, key);
  if (isList(value)) {
    const index = listIndex(key);
    if (index === undefined || index < 0 || index >= listSize(value)) return none;
    return new Optional(listItem(value, Number(index)));
  }
  const found = lookUp(value, key);
  return found === undefined ? none : new Optional(found);
}

export function indexValue(value: unknown, key: unknown): unknown {
  if (isList(value)) return listAt(value, key);
  const found = lookUp(value, key);
  return found === undefined ? fail(`no such key: ${keyText(key)}`) : found;
}

function lookUp(value: unknown, key: unknown): unknown {
  if (isMap(value)) return mapGet(value, key);
  if (typeof key === 'string' && (value instanceof TypedObject || value instanceof StructValue))
    return selectValue(value, key);
  return undefined;
}

function listAt(list: List, key: unknown): unknown {
  const index = listIndex(key);
  if (index === undefined) return fail(`unsupported index type '${typeOfValue(key).name}' in list`);
  if (index < 0 || index >= listSize(list)) return fail(`index out of bounds: ${index}`);
  return listItem(list, Number(index));
}

/** A whole number of any type. */
function listIndex(key: unknown): Int | undefined {
  if (typeof key === 'number' || typeof key === 'bigint') return key;
  if (key instanceof Uint) return key.value;
  return key instanceof Double && Number.isInteger(key.value) ? key.value : undefined;
}

function keyText(key: unknown): string {
  if (key instanceof Uint || key instanceof Double) return String(key.value);
  return typeof key === 'object' ? 'value' : String(key);
}
