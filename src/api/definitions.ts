/** The published definitions as `Schema` nodes, made from the generated facts when first asked for, each once. */
import type { Schema, SchemaType } from '../machinery/index.ts';
import facts from './gen/schema.json' with { type: 'json' };

type FieldFacts =
  | string
  | { t: string; lt?: string; lk?: string[]; mt?: string; ps?: string; pk?: string; d?: unknown };
interface DefinitionFacts {
  f?: Record<string, FieldFacts>;
  r?: string[];
  k?: string;
  mt?: string;
}
type Mutable<T> = { -readonly [name in keyof T]: T[name] };

const definitionFacts = facts.definitions as Record<string, DefinitionFacts>;
const stringFacts = facts.strings as Record<string, string[]>;

/** The Kubernetes release that the facts describe, such as `v1.36.0`. */
export const kubernetesVersion: string = facts.kubernetes;

const prefixes: [string, string][] = [
  ['apiextensions.', 'io.k8s.apiextensions-apiserver.pkg.apis.'],
  ['apiregistration.', 'io.k8s.kube-aggregator.pkg.apis.'],
  ['meta.', 'io.k8s.apimachinery.pkg.apis.'],
  ['version.', 'io.k8s.apimachinery.pkg.'],
];

function longName(short: string): string {
  const found = prefixes.find(([start]) => short.startsWith(start));
  return (found ? found[1] : 'io.k8s.api.') + short;
}

function shortName(long: string): string {
  const found = prefixes.find(([start, prefix]) => long.startsWith(prefix + start));
  return long.slice((found ? found[1] : 'io.k8s.api.').length);
}

const apimachinery = 'io.k8s.apimachinery.pkg';
const jsonSchema = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON';
const scalars: Record<string, Schema> = {
  string: { type: 'string', typeName: 'string' },
  boolean: { type: 'boolean', typeName: 'bool' },
  int32: { type: 'integer', format: 'int32', typeName: 'int32' },
  int64: { type: 'integer', format: 'int64', typeName: 'int64' },
  integer: { type: 'integer', typeName: 'int64' },
  double: { type: 'number', format: 'double', typeName: 'float64' },
  number: { type: 'number', typeName: 'float64' },
  byte: { type: 'string', format: 'byte', typeName: '[]uint8' },
  object: { type: 'object', preserveUnknownFields: true },
  any: { preserveUnknownFields: true, ref: jsonSchema },
  quantity: { format: 'quantity', ref: `${apimachinery}.api.resource.Quantity` },
  'int-or-string': { format: 'int-or-string', ref: `${apimachinery}.util.intstr.IntOrString` },
  time: { type: 'string', format: 'date-time', ref: `${apimachinery}.apis.meta.v1.Time` },
  'micro-time': { type: 'string', format: 'micro-time', ref: `${apimachinery}.apis.meta.v1.MicroTime` },
  fields: { type: 'object', preserveUnknownFields: true, ref: `${apimachinery}.apis.meta.v1.FieldsV1` },
  raw: { type: 'object', preserveUnknownFields: true, ref: `${apimachinery}.runtime.RawExtension` },
  'schema-or-array': { format: 'schema-or-array', preserveUnknownFields: true, ref: `${jsonSchema}SchemaPropsOrArray` },
  'schema-or-bool': { format: 'schema-or-bool', preserveUnknownFields: true, ref: `${jsonSchema}SchemaPropsOrBool` },
  'schema-or-strings': {
    format: 'schema-or-strings',
    preserveUnknownFields: true,
    ref: `${jsonSchema}SchemaPropsOrStringArray`,
  },
};

const made = new Map<string, Schema>();

/** The definition of this published name, such as `io.k8s.api.core.v1.PodSpec`. */
export function definition(name: string): Schema | undefined {
  const special = Object.values(scalars).find((schema) => schema.ref === name);
  return special ?? (shortName(name) in definitionFacts ? ofShortName(shortName(name)) : undefined);
}

/** The names of all definitions, special types (times, quantities, …) included. */
export function definitionNames(): string[] {
  const special = Object.values(scalars).flatMap((schema) => schema.ref ?? []);
  return [...Object.keys(definitionFacts).map(longName), ...special].sort();
}

/** The group, version and kind that a definition is, as `group/version/Kind`; undefined for parts of objects. */
export function gvkOfDefinition(name: string): string | undefined {
  return definitionFacts[shortName(name)]?.k;
}

const byGvk = new Map<string, string>();

/** The definition of a group, version and kind: of served kinds, and of Scale, Eviction, TokenRequest and lists. */
export function definitionOf(group: string, version: string, kind: string): Schema | undefined {
  if (byGvk.size === 0)
    for (const [name, { k }] of Object.entries(definitionFacts)) if (k !== undefined) byGvk.set(k, name);
  const name = byGvk.get(`${group}/${version}/${kind}`);
  return name === undefined ? undefined : ofShortName(name);
}

function ofShortName(short: string): Schema {
  const existing = made.get(short);
  if (existing) return existing;
  const { f = {}, r, mt } = definitionFacts[short]!;
  const schema: Mutable<Schema> = { type: 'object', ref: longName(short) };
  made.set(short, schema);
  if (r) schema.required = r;
  if (mt) schema.mapType = mt as 'atomic';
  let properties: Record<string, Schema> | undefined;
  // Made on first reading: definitions refer to each other in cycles, and most are never asked for.
  Object.defineProperty(schema, 'properties', {
    enumerable: true,
    get: () => (properties ??= fields(f)),
  });
  return schema;
}

function fields(facts: Record<string, FieldFacts>): Record<string, Schema> {
  const properties: Record<string, Schema> = {};
  for (const name in facts) properties[name] = field(facts[name]!);
  return properties;
}

function field(facts: FieldFacts): Schema {
  if (typeof facts === 'string') return ofType(facts);
  const schema: Mutable<Schema> = derive(ofType(facts.t));
  if (facts.lt) schema.listType = facts.lt as 'map';
  if (facts.lk) schema.listMapKeys = facts.lk;
  if (facts.mt) schema.mapType = facts.mt as 'atomic';
  if (facts.ps) schema.patchStrategy = facts.ps.split(',');
  if (facts.pk) schema.patchMergeKey = facts.pk;
  if (facts.d !== undefined) schema.default = facts.d;
  return schema;
}

/** A copy to put field facts on; the fields of an object stay lazy. */
function derive(schema: Schema): Mutable<Schema> {
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)) as Mutable<Schema>;
}

const types = new Map<string, Schema>();

function ofType(type: string): Schema {
  let schema = types.get(type);
  if (!schema) types.set(type, (schema = makeType(type)));
  return schema;
}

function makeType(type: string): Schema {
  const mark = type.at(-1);
  if (mark === '?' || mark === '!') {
    const schema = derive(ofType(type.slice(0, -1)));
    schema.zero = mark === '?' ? 'omit' : 'show';
    return schema;
  }
  if (type.startsWith('[]')) return { type: 'array' as SchemaType, items: ofType(type.slice(2)) };
  if (type.startsWith('map:')) return { type: 'object' as SchemaType, additionalProperties: ofType(type.slice(4)) };
  const values = stringFacts[type];
  if (values) {
    const typeName = type.split('.').slice(-2).join('.');
    return { type: 'string', typeName, ...(values.length > 0 && { enum: values }) };
  }
  return scalars[type] ?? ofShortName(type);
}
