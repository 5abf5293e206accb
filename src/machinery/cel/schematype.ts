/**
 * The types of objects that a schema describes, with what it says of their sizes. As in Kubernetes: what a schema does not
 * describe is not there for expressions, `int-or-string` is of any type, `date-time` a timestamp, `byte` bytes.
 */
import type { Schema } from '../schema.ts';
import {
  mapAdapter,
  setAdapter,
  structAdapter,
  toBytes,
  toDate,
  toDouble,
  toDuration,
  toTimestamp,
} from './adapters.ts';
import { fail } from './failure.ts';
import { escapeName } from './names.ts';
import { type Field, type Fields, type Kind, Type } from './types.ts';
import { adapt, type ListRules, TypedList } from './values.ts';

/** The largest request that upstream's estimates reckon with, in bytes. */
const maxRequestSize = 3 * 1024 * 1024;

/** A type that knows how large its values can be. */
export class SizedType extends Type {
  /** The most characters, items or entries. */
  readonly maxElements: number;
  /** The fewest bytes of a value as JSON. */
  readonly minSize: number;
  constructor(
    kind: Kind,
    name: string,
    sizes: { maxElements?: number; minSize: number },
    params: readonly Type[] = [],
    fields?: Fields,
  ) {
    super(kind, name, params, fields);
    this.maxElements = sizes.maxElements ?? 0;
    this.minSize = sizes.minSize;
  }
}

type Adapter = (raw: unknown) => unknown;

/** A schema as a type, and how its JSON becomes values where it does not stand for them. */
interface Described {
  readonly type: SizedType;
  readonly adapt?: Adapter;
}

export interface SchemaTypeOptions {
  /** What the type of the outermost object is called; those within are called after their fields. */
  readonly name?: string;
  /** Whether it is a whole resource, whose `apiVersion`, `kind` and `metadata.name` are known without a schema. */
  readonly root?: boolean;
}

/** The type of a schema; undefined when expressions cannot see what it describes. */
export function schemaType(
  schema: Schema,
  { name = 'selfType', root = false }: SchemaTypeOptions = {},
): Type | undefined {
  const described = new Describer().describe(schema, name, root);
  if (described?.adapt) setAdapter(described.type, described.adapt);
  return described?.type;
}

const text = (maxElements: number, minSize = 2): SizedType =>
  new SizedType('string', 'string', { maxElements, minSize });
const unbounded = maxRequestSize - 2;
const scalars: Record<string, Described> = {
  boolean: { type: new SizedType('bool', 'bool', { minSize: 4 }) },
  integer: { type: new SizedType('int', 'int', { minSize: 1 }) },
  number: { type: new SizedType('double', 'double', { minSize: 1 }), adapt: toDouble },
};
const times: Record<string, Described> = {
  duration: { type: timeType('duration', 'Duration', 32, 3), adapt: toDuration },
  date: { type: timeType('timestamp', 'Timestamp', 12, 12), adapt: toDate },
  'date-time': { type: timeType('timestamp', 'Timestamp', 32, 21), adapt: toTimestamp },
  'micro-time': { type: timeType('timestamp', 'Timestamp', 32, 21), adapt: toTimestamp },
};

function timeType(kind: Kind, name: string, maxElements: number, minSize: number): SizedType {
  return new SizedType(kind, `google.protobuf.${name}`, { maxElements, minSize });
}

const most = (limit: number | undefined): number | undefined => (limit === undefined ? undefined : Math.max(0, limit));

/** Walks a schema once; one that refers to itself gets one type for each place in it. */
class Describer {
  readonly #open = new Map<Schema, Described>();

  describe(schema: Schema, name: string, root: boolean): Described | undefined {
    if (schema.format === 'int-or-string' || schema.format === 'quantity') {
      const length = most(schema.maxLength);
      return {
        type: new SizedType('dyn', 'dyn', { maxElements: length === undefined ? unbounded : length * 4, minSize: 1 }),
      };
    }
    if (root) return this.#object(withMeta(schema), name);
    switch (schema.type) {
      case 'object':
        return schema.additionalProperties && !schema.properties ? this.#map(schema, name) : this.#object(schema, name);
      case 'array':
        return schema.items ? this.#list(schema, schema.items, name) : undefined;
      case 'string':
        return stringOf(schema);
      default:
        return schema.type === undefined ? undefined : scalars[schema.type];
    }
  }

  #list(schema: Schema, items: Schema, name: string): Described | undefined {
    const item = this.describe(items, `${name}.@idx`, items.embeddedResource ?? false);
    if (!item) return undefined;
    const maxElements = most(schema.maxItems) ?? Math.floor((maxRequestSize - 2) / (item.type.minSize + 1));
    const type = new SizedType('list', 'list', { maxElements, minSize: 2 }, [item.type]);
    const kind = schema.listType === 'atomic' ? undefined : schema.listType;
    if (!item.adapt && !kind) return { type };
    const rules: ListRules = { adapt: item.adapt, kind, keys: schema.listMapKeys };
    return { type, adapt: (raw) => (Array.isArray(raw) ? new TypedList(raw, rules) : adapt(raw)) };
  }

  #map(schema: Schema, name: string): Described | undefined {
    const values = schema.additionalProperties as Schema;
    const value = this.describe(values, `${name}.@elem`, values.embeddedResource ?? false);
    if (!value) return undefined;
    const maxElements = most(schema.maxProperties) ?? Math.floor((maxRequestSize - 2) / (value.type.minSize + 6));
    const type = new SizedType('map', 'map', { maxElements, minSize: 2 }, [text(0, 0), value.type]);
    return value.adapt ? { type, adapt: mapAdapter(value.adapt) } : { type };
  }

  #object(schema: Schema, name: string): Described {
    const known = this.#open.get(schema);
    if (known) return known;
    const fields = new SchemaFields();
    // What refers to the object that it is in is reckoned as small as an object can be.
    const within: Described = {
      type: new SizedType('struct', name, { minSize: 2 }, [], fields),
      adapt: (raw) => adapter(raw),
    };
    this.#open.set(schema, within);
    let minSize = 2;
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      const described = this.describe(property, `${name}.${key}`, property.embeddedResource ?? false);
      if (!described) continue;
      const identifier = escapeName(key);
      if (identifier !== undefined) fields.add(identifier, { key, type: described.type, adapt: described.adapt });
      if (schema.required?.includes(key) && property.default === undefined)
        minSize += key.length + described.type.minSize + 4;
    }
    this.#open.delete(schema);
    const type = new SizedType('struct', name, { minSize }, [], fields);
    const adapter: Adapter = fields.plain ? adapt : structAdapter(type);
    return fields.plain ? { type } : { type, adapt: adapter };
  }
}

class SchemaFields implements Fields {
  plain = true;
  readonly #fields = new Map<string, Field>();

  add(name: string, field: Field): void {
    this.#fields.set(name, field);
    if (field.adapt || field.key !== name) this.plain = false;
  }

  get(name: string): Field | undefined {
    return this.#fields.get(name);
  }
}

function stringOf(schema: Schema): Described {
  const time = times[schema.format ?? ''];
  if (time) return time;
  const length = most(schema.maxLength);
  if (schema.format === 'byte') {
    return { type: new SizedType('bytes', 'bytes', { maxElements: length ?? unbounded, minSize: 2 }), adapt: toBytes };
  }
  if (length !== undefined) return { type: text(length * 4) };
  if (schema.enum && schema.enum.length > 0)
    return { type: text(Math.max(...schema.enum.map((value) => String(value).length))) };
  return { type: text(unbounded) };
}

const stringSchema: Schema = { type: 'string' };
const isText = (one: Schema | undefined) => one?.type === 'string';

/** Whole resources have a kind and a name, whatever their schema says. */
function withMeta(schema: Schema): Schema {
  const { properties } = schema;
  const meta = properties?.['metadata'];
  if (
    isText(properties?.['kind']) &&
    isText(properties?.['apiVersion']) &&
    meta?.type === 'object' &&
    isText(meta.properties?.['name']) &&
    isText(meta.properties?.['generateName'])
  ) {
    return schema;
  }
  const metadata: Schema = { type: 'object', properties: { name: stringSchema, generateName: stringSchema } };
  return {
    ...schema,
    type: 'object',
    properties: { ...properties, kind: stringSchema, apiVersion: stringSchema, metadata },
  };
}

/** How often values of a type can be in one request: what bounds a rule below lists and maps without limits. */
export function maxCardinality(type: Type): number {
  if (!(type instanceof SizedType)) return fail('no sizes are known of the type');
  return Math.floor(maxRequestSize / (type.minSize + 1));
}
