/**
 * Reads an object as the Go server would: wrong types fail with the words of Go's decoder, unknown fields are dropped and
 * reported, null is absence, zero values are left out or shown, quantities and times come out in their canonical form.
 * One closure per definition, made when first needed.
 */
import { canonicalQuantity, type Schema } from '../machinery/index.ts';
import { definition } from './definitions.ts';

/** `message` is Go's, to be put behind `… cannot be handled as a Pod: `; the answer is 400 BadRequest. */
export class DecodeError extends Error {
  /** In the words that Go has for values that are not read from text: `cannot restore map from string`. */
  readonly converting: string;

  constructor(message: string, converting = message) {
    super(message);
    this.converting = converting;
    this.name = 'DecodeError';
  }
}

export interface Decoder {
  /**
   * Changes `value` in place into what the server would hold. `onUnknown` is told the path of each field that was
   * dropped, as strict decoding names it: `spec.containers[0].imagee`. Throws `DecodeError`.
   */
  (value: unknown, onUnknown?: (path: string) => void): void;
}

/** Where the reader stands: field names, list indexes, and map keys (with a NUL before them). */
interface At {
  path: (string | number)[];
  /** The Go struct that holds the field. */
  struct: string;
  onUnknown: ((path: string) => void) | undefined;
}
type Visit = (value: unknown, at: At) => unknown;

const maxDepth = 1000;

/** A decoder of objects of this definition. */
export function decoderOf(schema: Schema): Decoder {
  const visit = visitorOf(schema);
  return (value, onUnknown) => {
    visit(value, { path: [], struct: '', onUnknown });
  };
}

const byRef = new Map<string, Visit>();
const bySchema = new WeakMap<Schema, Visit>();

function visitorOf(schema: Schema): Visit {
  const known = (schema.ref === undefined ? undefined : byRef.get(schema.ref)) ?? bySchema.get(schema);
  if (known) return known;
  const { ref } = schema;
  // Cycles meet this one, which waits for the real one.
  const lazy: Visit = (value, at) => made(value, at);
  if (ref === undefined) bySchema.set(schema, lazy);
  else byRef.set(ref, lazy);
  const made = makeVisitor(schema);
  if (ref === undefined) bySchema.set(schema, made);
  else byRef.set(ref, made);
  return made;
}

function makeVisitor(schema: Schema): Visit {
  const special = specials[schema.format ?? ''];
  if (special) return special;
  if (schema.type === undefined || schema.preserveUnknownFields)
    return schema.type === 'object' ? anyObject(schema) : (value) => value;
  if (schema.type === 'array') return listVisitor(schema);
  if (schema.type === 'object') return schema.additionalProperties ? mapVisitor(schema) : structVisitor(schema);
  return scalarVisitors[schema.type]!(schema.typeName ?? schema.type, schema.format);
}

interface FieldPlan {
  visit: Visit;
  omitsZero: boolean;
}

function structVisitor(schema: Schema): Visit {
  const type = goType(schema);
  const struct = type.slice(type.indexOf('.') + 1);
  let plans: Map<string, FieldPlan> | undefined;
  let shown: [string, () => unknown][] = [];
  const plan = () => {
    const entries = Object.entries(schema.properties ?? {});
    shown = entries.filter(([, field]) => field.zero === 'show').map(([name, field]) => [name, zeroMaker(field)]);
    plans = new Map(
      entries.map(([name, field]) => [name, { visit: visitorOf(field), omitsZero: field.zero === 'omit' }]),
    );
    return plans;
  };
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return mismatch(value, at, type);
    const object = value as Record<string, unknown>;
    const fields = plans ?? plan();
    const outer = at.struct;
    const depth = at.path.length;
    if (depth > maxDepth) throw new DecodeError('exceeded max depth');
    at.struct = struct;
    for (const name in object) {
      const field = fields.get(name);
      const before = object[name];
      at.path[depth] = name;
      if (field === undefined) {
        at.onUnknown?.(strictPath(at.path));
        delete object[name];
      } else if (before === null || before === undefined) delete object[name];
      else {
        const after = field.visit(before, at);
        if (field.omitsZero && isZero(after)) delete object[name];
        else if (after !== before) object[name] = after;
      }
    }
    at.path.length = depth;
    at.struct = outer;
    for (const [name, zero] of shown) if (object[name] === undefined) object[name] = zero();
    return object;
  };
}

/** How the zero value of a field looks when it is shown. */
function zeroMaker(schema: Schema): () => unknown {
  if (schema.type === 'string') return () => '';
  if (schema.type === 'boolean') return () => false;
  if (schema.type === 'integer' || schema.type === 'number') return () => 0;
  const visit = visitorOf(schema);
  return () => visit({}, { path: [], struct: '', onUnknown: undefined });
}

function isZero(value: unknown): boolean {
  if (typeof value !== 'object') return !value;
  if (value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

function listVisitor(schema: Schema): Visit {
  const type = goType(schema);
  const item = visitorOf(schema.items ?? {});
  const empty = schema.items ? zeroOfItem(schema.items) : () => null;
  return (value, at) => {
    if (!Array.isArray(value)) return mismatch(value, at, type);
    const depth = at.path.length;
    for (let i = 0; i < value.length; i++) {
      at.path[depth] = i;
      const before = value[i];
      const after = item(before ?? empty(), at);
      if (after !== before) value[i] = after;
    }
    at.path.length = depth;
    return value;
  };
}

function mapVisitor(schema: Schema): Visit {
  const type = goType(schema);
  const values = schema.additionalProperties ?? {};
  const item = visitorOf(values);
  const empty = zeroOfItem(values);
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return mismatch(value, at, type);
    const map = value as Record<string, unknown>;
    const depth = at.path.length;
    for (const key in map) {
      at.path[depth] = `\0${key}`;
      const before = map[key];
      const after = item(before ?? empty(), at);
      if (after !== before) map[key] = after;
    }
    at.path.length = depth;
    return map;
  };
}

/** What null means as an item: Go's zero value of its type. */
function zeroOfItem(schema: Schema): () => unknown {
  if (schema.format === 'quantity') return () => '0';
  if (schema.format === 'int-or-string') return () => 0;
  if (schema.type === 'array') return () => [];
  return schema.type === undefined ? () => null : schema.type === 'object' ? () => ({}) : zeroMaker(schema);
}

function anyObject(schema: Schema): Visit {
  const type = goType(schema);
  return (value, at) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? value : mismatch(value, at, type);
}

const int32 = 2 ** 31;
const int64 = 2 ** 63;

const scalarVisitors: Record<string, (type: string, format?: string) => Visit> = {
  string: (type) => (value, at) => (typeof value === 'string' ? value : mismatch(value, at, type)),
  boolean: (type) => (value, at) => (typeof value === 'boolean' ? value : mismatch(value, at, type)),
  number: (type) => (value, at) => (typeof value === 'number' ? value : mismatch(value, at, type)),
  integer: (type, format) => {
    const limit = format === 'int32' ? int32 : int64;
    return (value, at) =>
      typeof value === 'number' && Number.isInteger(value) && value >= -limit && value < limit
        ? value
        : mismatch(value, at, type);
  },
};

const specials: Record<string, Visit> = {
  byte: (value, at) => {
    if (typeof value !== 'string') return mismatch(value, at, '[]uint8');
    return base64(value);
  },
  quantity: (value) => {
    if (typeof value === 'string' || typeof value === 'number') {
      const canonical = canonicalQuantity(value);
      if (canonical !== undefined) return canonical;
    }
    throw new DecodeError(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  },
  'int-or-string': (value) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= int32) return value;
    throw new DecodeError(`json: cannot unmarshal ${jsonType(value, 'int32')} into Go value of type int32`);
  },
  'date-time': (value) => time(value, false),
  'micro-time': (value) => time(value, true),
  'schema-or-array': (value, at) => nestedSchema(value, at),
  'schema-or-bool': (value, at) => nestedSchema(value, at),
  'schema-or-strings': (value, at) => nestedSchema(value, at),
};

let jsonSchemaProps: Visit | undefined;

/** JSONSchemaProps, or something else that its field allows. */
function nestedSchema(value: unknown, at: At): unknown {
  jsonSchemaProps ??= visitorOf(
    definition('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps') as Schema,
  );
  return typeof value === 'object' && !Array.isArray(value) ? jsonSchemaProps(value, at) : value;
}

const base64Text = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function base64(value: string): string {
  const text = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value;
  if (base64Text.test(text)) return text;
  const bad = text.search(/[^A-Za-z0-9+/]/);
  throw new DecodeError(`illegal base64 data at input byte ${bad < 0 ? text.length - (text.length % 4) : bad}`);
}

const rfc3339 = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** Most times are now: the one that was in order before is in order again. */
let lastTime = '';

function time(value: unknown, micro: boolean): string {
  if (!micro && value === lastTime) return lastTime;
  if (typeof value !== 'string')
    throw new DecodeError(`json: cannot unmarshal ${jsonType(value, 'string')} into Go value of type string`);
  const match = rfc3339.exec(value);
  const instant = match ? Date.parse(`${match[1]}T${match[2]}${match[4]}`) : Number.NaN;
  if (!match || Number.isNaN(instant)) {
    const layout = micro ? '2006-01-02T15:04:05.000000Z07:00' : '2006-01-02T15:04:05Z07:00';
    throw new DecodeError(
      `parsing time ${JSON.stringify(value)} as "${layout}": cannot parse ${JSON.stringify(value)} as an RFC 3339 time`,
    );
  }
  const seconds = match[4] === 'Z' ? `${match[1]}T${match[2]}` : new Date(instant).toISOString().slice(0, 19);
  if (micro) return `${seconds}.${(match[3] ?? '').padEnd(6, '0').slice(0, 6)}Z`;
  return (lastTime = `${seconds}Z`);
}

function mismatch(value: unknown, at: At, type: string): never {
  const names = at.path.filter((step) => typeof step === 'string' && step[0] !== '\0');
  const place =
    names.length === 0 ? `value of type ${type}` : `struct field ${at.struct}.${names.join('.')} of type ${type}`;
  throw new DecodeError(`json: cannot unmarshal ${jsonType(value, type)} into Go ${place}`, converting(value, type));
}

function converting(value: unknown, type: string): string {
  const from = goKind(value);
  if (type.startsWith('map[')) return `cannot restore map from ${from}`;
  if (type.startsWith('[]')) return `cannot restore slice from ${from}`;
  if (!/^(string|bool|u?int\d*|float\d*)$/.test(type)) return `cannot restore struct from: ${from}`;
  return typeof value === 'number' ? `cannot convert ${from} to ${type}` : `unrecognized type: ${type}`;
}

function goKind(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  return Array.isArray(value) ? 'slice' : 'map';
}

function jsonType(value: unknown, into: string): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return /^u?int/.test(into) ? `number ${value}` : 'number';
  return typeof value;
}

function strictPath(path: readonly (string | number)[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += `${text === '' ? '' : '.'}${step[0] === '\0' ? step.slice(1) : step}`;
  }
  return text;
}

function goType(schema: Schema): string {
  if (schema.ref !== undefined) return schema.ref.split('.').slice(-2).join('.');
  if (schema.typeName !== undefined) return schema.typeName;
  if (schema.type === 'array') return `[]${schema.items ? goType(schema.items) : 'interface {}'}`;
  if (schema.additionalProperties) return `map[string]${goType(schema.additionalProperties)}`;
  return 'map[string]interface {}';
}
