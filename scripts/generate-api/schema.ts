/**
 * Turns OpenAPI definitions into compact facts. A field is a type, or `{ t: type, …merge facts }`. A type is a primitive,
 * the short name of a definition or of a string type, with `[]` or `map:` before it for lists and maps. After it, `?`
 * says that its zero value is left out, `!` that its zero value is shown when the field is absent.
 */
import type { GoField, GoPackage, GoTypes } from './gotypes.ts';
import type { ResourceFacts } from './resources.ts';
import type { Sources } from './sources.ts';

export type FieldFacts =
  | string
  | { t: string; lt?: string; lk?: string[]; mt?: string; ps?: string; pk?: string; d?: unknown };

export interface DefinitionFacts {
  /** Fields. */
  f?: Record<string, FieldFacts>;
  /** Required. */
  r?: string[];
  /** Group, version and kind, as `group/version/Kind`. */
  k?: string;
  /** Map type: an atomic object. */
  mt?: string;
}

export interface SchemaFacts {
  strings: Record<string, string[]>;
  definitions: Record<string, DefinitionFacts>;
}

const prefixes: [string, string][] = [
  ['io.k8s.apimachinery.pkg.apis.', ''],
  ['io.k8s.apimachinery.pkg.', ''],
  ['io.k8s.apiextensions-apiserver.pkg.apis.', ''],
  ['io.k8s.kube-aggregator.pkg.apis.', ''],
  ['io.k8s.api.', ''],
];

export function shortName(definition: string): string {
  const found = prefixes.find(([long]) => definition.startsWith(long));
  return found ? found[1] + definition.slice(found[0].length) : definition;
}

/** Types with rules of their own. */
const special: Record<string, string> = {
  'api.resource.Quantity': 'quantity',
  'util.intstr.IntOrString': 'int-or-string',
  'meta.v1.Time': 'time',
  'meta.v1.MicroTime': 'micro-time',
  'meta.v1.FieldsV1': 'fields',
  'runtime.RawExtension': 'raw',
  'apiextensions.v1.JSON': 'any',
  'apiextensions.v1.JSONSchemaPropsOrArray': 'schema-or-array',
  'apiextensions.v1.JSONSchemaPropsOrBool': 'schema-or-bool',
  'apiextensions.v1.JSONSchemaPropsOrStringArray': 'schema-or-strings',
};

export function schemaFacts(sources: Sources, go: GoTypes, resources: ResourceFacts[]): SchemaFacts {
  const all = sources.swagger.definitions as Record<string, any>;
  const facts: SchemaFacts = { strings: {}, definitions: {} };
  const build = (name: string) => {
    const short = shortName(name);
    if (short in special || facts.definitions[short]) return;
    const schema = all[name];
    const definition: DefinitionFacts = (facts.definitions[short] = {});
    const prefix = name.slice(0, name.lastIndexOf('.') + 1);
    const pack = go.get(prefix);
    const goFields = pack?.structs.get(name.slice(prefix.length));
    const kinds = schema['x-kubernetes-group-version-kind'] ?? [];
    if (kinds.length === 1) definition.k = `${kinds[0].group}/${kinds[0].version}/${kinds[0].kind}`;
    if (schema.required) definition.r = schema.required;
    if (schema['x-kubernetes-map-type']) definition.mt = schema['x-kubernetes-map-type'];
    for (const [field, value] of Object.entries<any>(schema.properties ?? {})) {
      definition.f ??= {};
      definition.f[field] = fieldFacts(
        value,
        goFields?.get(field),
        prefix,
        go,
        facts,
        sources.defaults.get(`${name}.${field}`),
      );
      for (const inner of refs(value)) build(inner);
    }
  };
  for (const name of roots(all, resources)) build(name);
  const sorted = <T>(object: Record<string, T>) =>
    Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { strings: sorted(facts.strings), definitions: sorted(facts.definitions) };
}

function roots(all: Record<string, any>, resources: ResourceFacts[]): string[] {
  const served = resources.flatMap((facts) => [facts.definition, `${facts.definition}List`]);
  const subresources = [
    'io.k8s.api.autoscaling.v1.Scale',
    'io.k8s.api.policy.v1.Eviction',
    'io.k8s.api.authentication.v1.TokenRequest',
  ];
  const rest = Object.keys(all).filter((name) => !name.startsWith('io.k8s.api.'));
  return [...served, ...subresources, ...rest].filter((name) => all[name]);
}

const refs = (schema: any): string[] => {
  const inner = schema.items ?? schema.additionalProperties;
  const own = (schema.$ref ?? schema.allOf?.[0]?.$ref) as string | undefined;
  return own ? [own.slice('#/definitions/'.length)] : inner && typeof inner === 'object' ? refs(inner) : [];
};

function fieldFacts(
  schema: any,
  goField: GoField | undefined,
  prefix: string,
  go: GoTypes,
  facts: SchemaFacts,
  value: unknown,
): FieldFacts {
  const type = typeOf(schema, goField?.type.replace(/^\*/, ''), prefix, go, facts);
  const t = type + zeroOf(type, goField, facts.strings);
  const field = {
    t,
    ...(schema['x-kubernetes-list-type'] && { lt: schema['x-kubernetes-list-type'] }),
    ...(schema['x-kubernetes-list-map-keys'] && { lk: schema['x-kubernetes-list-map-keys'] }),
    ...(schema['x-kubernetes-map-type'] && { mt: schema['x-kubernetes-map-type'] }),
    ...(schema['x-kubernetes-patch-strategy'] && { ps: schema['x-kubernetes-patch-strategy'] }),
    ...(schema['x-kubernetes-patch-merge-key'] && { pk: schema['x-kubernetes-patch-merge-key'] }),
    ...(value !== undefined && { d: value }),
  };
  return Object.keys(field).length === 1 ? t : field;
}

function typeOf(schema: any, goType: string | undefined, prefix: string, go: GoTypes, facts: SchemaFacts): string {
  const [ref] = schema.$ref || schema.allOf ? refs(schema) : [];
  if (ref) return special[shortName(ref)] ?? shortName(ref);
  if (schema.type === 'array') return `[]${typeOf(schema.items, goType?.replace(/^\[\]\*?/, ''), prefix, go, facts)}`;
  if (schema.additionalProperties)
    return `map:${typeOf(schema.additionalProperties, goType?.replace(/^map\[[^\]]*\]\*?/, ''), prefix, go, facts)}`;
  if (schema.type === 'string' && !schema.format) return stringType(goType, prefix, go, facts) ?? 'string';
  if (schema.type === 'object') return 'object';
  return schema.format ?? schema.type ?? 'any';
}

/** The short name of a named string type, noting its values; undefined for a plain string. */
function stringType(goType: string | undefined, prefix: string, go: GoTypes, facts: SchemaFacts): string | undefined {
  if (!goType || goType === 'string') return undefined;
  const name = goType.slice(goType.lastIndexOf('.') + 1);
  const home = goType.includes('.') ? homeOf(goType, go) : prefix;
  const values = home === undefined ? undefined : (go.get(home) as GoPackage | undefined)?.strings.get(name);
  if (!values) return undefined;
  const short = shortName(home + name);
  facts.strings[short] = values;
  return short;
}

/** The package of `v1.ConditionStatus` and the like: where other groups take string types from. */
function homeOf(goType: string, go: GoTypes): string | undefined {
  const name = goType.slice(goType.indexOf('.') + 1);
  const homes = goType.startsWith('metav1.')
    ? ['io.k8s.apimachinery.pkg.apis.meta.v1.']
    : ['io.k8s.api.core.v1.', 'io.k8s.apimachinery.pkg.apis.meta.v1.'];
  return homes.find((home) => go.get(home)?.strings.has(name));
}

/** Scalars whose Go zero value is not a struct of its own. */
const scalars = new Set(['string', 'int32', 'int64', 'boolean', 'double', 'integer', 'number']);
/** Struct types that are written as one value: absence shows as it was sent. */
const opaque = new Set(['time', 'micro-time', 'raw', 'quantity', 'int-or-string']);

function zeroOf(type: string, goField: GoField | undefined, strings: Record<string, string[]>): '' | '?' | '!' {
  if (!goField || goField.type.startsWith('*')) return '';
  if (opaque.has(type)) return goField.omitZero ? '?' : '';
  const scalar = scalars.has(type) || type in strings;
  const collection = /^(\[\]|map:)|^(any|fields|byte)$/.test(type);
  if (!scalar && !collection) return goField.omitZero ? '?' : '!';
  if (goField.omitEmpty || goField.omitZero) return '?';
  return scalar ? '!' : '';
}
