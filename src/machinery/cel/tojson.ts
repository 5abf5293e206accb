/** Values as JSON. */
import { encodeBase64 } from './bytes.ts';
import { EvaluationError, fail } from './failure.ts';
import { formatDuration, formatTimestamp } from './time.ts';
import { formatType } from './types.ts';
import {
  CelMap,
  Double,
  Duration,
  isList,
  isMap,
  type List,
  listItems,
  mapGet,
  mapKeys,
  type Mapping,
  Optional,
  StructValue,
  Timestamp,
  TypedList,
  TypedObject,
  typeOfValue,
  Uint,
} from './values.ts';

/** The JSON of a value, or why it has none: an address, say, or a map with keys that are no strings. Objects are shared. */
export function toJson(
  value: unknown,
): { readonly json: unknown; readonly error?: undefined } | { readonly error: string } {
  try {
    return { json: jsonOf(value) };
  } catch (error) {
    if (error instanceof EvaluationError) return { error: error.message };
    throw error;
  }
}

function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof TypedObject) return value.raw;
  if (value instanceof TypedList) return value.items.map(jsonOf);
  if (isList(value)) return listItems(value as List).map(jsonOf);
  if (value instanceof Double) return Number.isFinite(value.value) ? value.value : fail(`${value.value} has no JSON`);
  if (value instanceof Uint) return Number(value.value);
  if (value instanceof Uint8Array) return encodeBase64(value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value.nanos);
  if (value instanceof StructValue)
    return Object.fromEntries([...value.fields].map(([name, field]) => [name, jsonOf(field)]));
  if (value instanceof Optional) return value.value === undefined ? null : jsonOf(value.value);
  if (isMap(value)) return jsonOfMap(value);
  return fail(`a value of type ${formatType(typeOfValue(value))} has no JSON`);
}

function jsonOfMap(map: Mapping): unknown {
  if (!(map instanceof CelMap)) return map;
  return Object.fromEntries(
    mapKeys(map).map((key) => [
      typeof key === 'string' ? key : fail(`the key ${String(key)} of a map is no string`),
      jsonOf(mapGet(map, key)),
    ]),
  );
}
