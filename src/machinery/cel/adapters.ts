/** Makes values of what JSON objects hold, where a type asks for it. */
import { decodeBase64 } from './bytes.ts';
import { fail } from './failure.ts';
import { parseDuration, parseTimestamp } from './time.ts';
import type { Type } from './types.ts';
import { adapt, CelMap, Double, Duration, type ObjectRules, Opaque, StructValue, TypedObject } from './values.ts';

type Adapter = (raw: unknown) => unknown;

export const toDouble: Adapter = (raw) => (typeof raw === 'number' ? new Double(raw) : adapt(raw));

export const toTimestamp: Adapter = (raw) => {
  if (typeof raw !== 'string') return adapt(raw);
  return parseTimestamp(raw) ?? fail(`Invalid date-time formatted string ${raw}: unable to parse`);
};

export const toDate: Adapter = (raw) => {
  if (typeof raw !== 'string') return adapt(raw);
  return parseTimestamp(`${raw}T00:00:00Z`) ?? fail(`Invalid date formatted string ${raw}: unable to parse`);
};

export const toDuration: Adapter = (raw) => {
  if (typeof raw !== 'string') return adapt(raw);
  const nanos = parseDuration(raw);
  return nanos === undefined ? fail(`Invalid duration ${raw}: unable to parse`) : new Duration(nanos);
};

export const toBytes: Adapter = (raw) => {
  if (typeof raw !== 'string') return adapt(raw);
  return decodeBase64(raw, true) ?? fail(`Invalid byte formatted string ${raw}: illegal base64 data`);
};

/** Objects of a struct type whose fields are not all values as they stand. */
export function structAdapter(type: Type): Adapter {
  const rules: ObjectRules = {
    type,
    get(raw, name) {
      const field = type.fields?.get(name);
      const found = field && Object.hasOwn(raw, field.key) ? raw[field.key] : undefined;
      return found === undefined ? undefined : (field?.adapt ?? adapt)(found);
    },
    names: (raw) => Object.keys(raw).filter((name) => raw[name] !== undefined),
  };
  return (raw) => objectOf(raw, rules);
}

/** Maps whose values are not values as they stand. */
export function mapAdapter(value: Adapter): Adapter {
  const rules: ObjectRules = {
    get: (raw, name) => (Object.hasOwn(raw, name) && raw[name] !== undefined ? value(raw[name]) : undefined),
    names: (raw) => Object.keys(raw).filter((name) => raw[name] !== undefined),
  };
  return (raw) => objectOf(raw, rules);
}

function objectOf(raw: unknown, rules: ObjectRules): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return adapt(raw);
  if (raw instanceof TypedObject || raw instanceof CelMap || raw instanceof StructValue || raw instanceof Opaque)
    return raw;
  return new TypedObject(raw as Record<string, unknown>, rules);
}

const adapters = new WeakMap<Type, Adapter>();

/** Notes how JSON becomes a value of the type, for variables of it. */
export function setAdapter(type: Type, adapter: Adapter): void {
  adapters.set(type, adapter);
}

export function adapterOf(type: Type): Adapter | undefined {
  const known = adapters.get(type);
  if (known) return known;
  if (type.kind === 'double') return toDouble;
  if (type.kind === 'struct' && type.fields && !type.fields.plain) {
    const made = structAdapter(type);
    adapters.set(type, made);
    return made;
  }
  return undefined;
}
