/** What makes the schema of a custom resource structural: every value's type can be told without looking at the value. */
import { cause, isObject, type StatusCause } from '../../../machinery/index.ts';
import type { JSONSchemaProps } from '../../gen/types.ts';
import { validateLists } from './listschema.ts';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const maxDepth = 200;
const combinations = ['allOf', 'anyOf', 'oneOf'] as const;
const unsupported = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'] as const;
const metaFields = new Set(['apiVersion', 'kind', 'metadata']);

type Level = 'root' | 'item' | 'field';

/** Where the walk is. */
interface At {
  readonly field: string;
  readonly level: Level;
  readonly depth: number;
  /** Within the metadata, kind or version of a resource. */
  readonly insideMeta: boolean;
  /** Why no default may stand here; undefined: one may. */
  readonly noDefaults?: string;
}

/** The causes that make `schema` no structural schema. */
export function validateStructural(schema: JSONSchemaProps, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (schema.nullable) causes.push(cause.forbidden(`${field}.nullable`, 'nullable cannot be true at the root'));
  visit(schema, { field, level: 'root', depth: 0, insideMeta: false }, causes);
  for (const inner of nestedIn(schema, field)) completeness(inner.schema, schema, field, inner.field, causes);
  return causes;
}

function visit(schema: JSONSchemaProps, at: At, causes: StatusCause[]): void {
  const { field, depth } = at;
  if (depth > maxDepth) {
    causes.push(cause.invalid(field, '', `must not be nested deeper than ${maxDepth} levels`));
    return;
  }
  validateType(schema, at, causes);
  validateMeta(schema, at, causes);
  validateLists(schema, field, causes);
  validateCommon(schema, at, causes);
  if (schema.default !== undefined && at.noDefaults !== undefined)
    causes.push(cause.forbidden(`${field}.default`, `must not be set ${at.noDefaults}`));
  const isResource = at.level === 'root' || schema['x-kubernetes-embedded-resource'] === true;
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const isMeta = isResource && metaFields.has(name);
    const noDefaults = isMeta && at.level === 'root' ? `in top-level ${name}` : at.noDefaults;
    const insideMeta = at.insideMeta || isMeta;
    visit(
      inner,
      { field: `${field}.properties[${name}]`, level: 'field', depth: depth + 1, insideMeta, noDefaults },
      causes,
    );
  }
  const { additionalProperties, items } = schema;
  if (isObject(additionalProperties)) {
    const noDefaults = at.insideMeta ? 'inside additionalProperties applying to object metadata' : at.noDefaults;
    const inner: At = { ...at, field: `${field}.additionalProperties`, level: 'field', depth: depth + 1, noDefaults };
    visit(additionalProperties, inner, causes);
  }
  if (items && !Array.isArray(items))
    visit(items, { ...at, field: `${field}.items`, level: 'item', depth: depth + 1 }, causes);
  for (const inner of nestedIn(schema, field)) {
    const isTypes = /\.anyOf\[\d+\]$/.test(inner.field) && isIntOrString(schema.anyOf);
    if (!isTypes) validateNested(inner.schema, inner.field, causes, depth + 1, isIntOrString(inner.schema.anyOf));
  }
}

function validateCommon(schema: JSONSchemaProps, { field, level, insideMeta }: At, causes: StatusCause[]): void {
  for (const name of unsupported)
    if (schema[name] !== undefined) causes.push(cause.forbidden(`${field}.${name}`, `${name} is not supported`));
  if (schema.uniqueItems)
    causes.push(
      cause.forbidden(
        `${field}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  if (schema.pattern !== undefined && !isPattern(schema.pattern))
    causes.push(cause.invalid(`${field}.pattern`, schema.pattern, "must be a valid regular expression, but isn't"));
  const { additionalProperties } = schema;
  if (additionalProperties !== undefined) {
    if (schema.properties && Object.keys(schema.properties).length > 0 && additionalProperties !== true)
      causes.push(
        cause.forbidden(`${field}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
      );
    if (level === 'root') causes.push(cause.forbidden(`${field}.additionalProperties`, 'must not be used at the root'));
    if (additionalProperties === false)
      causes.push(cause.forbidden(`${field}.additionalProperties`, 'additionalProperties cannot be set to false'));
  }
  if (Array.isArray(schema.items))
    causes.push(cause.forbidden(`${field}.items`, 'items must be a schema object and not an array'));
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    causes.push(cause.invalid(`${field}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  if (insideMeta && schema['x-kubernetes-embedded-resource'])
    causes.push(cause.forbidden(`${field}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'));
}

const noType: Record<Level, string> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function validateType(schema: JSONSchemaProps, { field, level }: At, causes: StatusCause[]): void {
  const { type } = schema;
  const intOrString = schema['x-kubernetes-int-or-string'];
  const anything = schema['x-kubernetes-preserve-unknown-fields'];
  const embedded = schema['x-kubernetes-embedded-resource'];
  const told = 'must be object if x-kubernetes-embedded-resource is true';
  if (type === 'null')
    causes.push(cause.forbidden(`${field}.type`, 'type cannot be set to null, use nullable as an alternative'));
  else if (type && !types.includes(type)) causes.push(cause.notSupported(`${field}.type`, type, types));
  if (embedded && type !== 'object')
    causes.push(type ? cause.invalid(`${field}.type`, type, told) : cause.required(`${field}.type`, told));
  else if (!type && !intOrString && !anything) causes.push(cause.required(`${field}.type`, noType[level]));
  if (level === 'root' && type && type !== 'object')
    causes.push(cause.invalid(`${field}.type`, type, 'must be object at the root'));
  if (type === 'array' && !schema.items) causes.push(cause.required(`${field}.items`, 'must be specified'));
  if (intOrString && type)
    causes.push(cause.invalid(`${field}.type`, type, 'must be empty if x-kubernetes-int-or-string is true'));
  if (intOrString && anything)
    causes.push(
      cause.invalid(
        `${field}.x-kubernetes-preserve-unknown-fields`,
        true,
        'must be false if x-kubernetes-int-or-string is true',
      ),
    );
  if (intOrString && embedded)
    causes.push(
      cause.invalid(
        `${field}.x-kubernetes-embedded-resource`,
        true,
        'must be false if x-kubernetes-int-or-string is true',
      ),
    );
  if (!embedded) return;
  if (schema.additionalProperties)
    causes.push(
      cause.forbidden(`${field}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'),
    );
  if (!anything && Object.keys(schema.properties ?? {}).length === 0)
    causes.push(
      cause.required(
        `${field}.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    );
}

/** Of a resource, the kind and version are text, and of the metadata of the outermost one only the name can be restricted. */
function validateMeta(schema: JSONSchemaProps, { field, level }: At, causes: StatusCause[]): void {
  if (level !== 'root' && !schema['x-kubernetes-embedded-resource']) return;
  const { kind, apiVersion, metadata } = schema.properties ?? {};
  for (const [name, one] of Object.entries({ kind, apiVersion }))
    if (one && one.type !== 'string')
      causes.push(cause.invalid(`${field}.properties[${name}].type`, one.type ?? '', 'must be string'));
  if (!metadata) return;
  const at = `${field}.properties[metadata]`;
  if (metadata.type !== 'object') causes.push(cause.invalid(`${at}.type`, metadata.type ?? '', 'must be object'));
  if (level !== 'root') return;
  const { type: _, default: __, description: ___, properties = {}, ...more } = metadata;
  const others = Object.keys(properties).filter((name) => name !== 'name' && name !== 'generateName');
  if (others.length > 0 || Object.keys(more).length > 0)
    causes.push(
      cause.forbidden(
        at,
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    );
}

function* nestedIn(schema: JSONSchemaProps, field: string): Generator<{ schema: JSONSchemaProps; field: string }> {
  for (const name of combinations)
    for (const [i, inner] of (schema[name] ?? []).entries()) yield { schema: inner, field: `${field}.${name}[${i}]` };
  if (schema.not) yield { schema: schema.not, field: `${field}.not` };
}

const empty = ['type', 'title', 'description', 'x-kubernetes-list-map-keys', 'x-kubernetes-validations'] as const;
const absent = ['additionalProperties', 'default', 'x-kubernetes-list-type', 'x-kubernetes-map-type'] as const;
const off = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
] as const;

/** Under `allOf` and the like only rules for values may stand: what the value is has been said outside. */
function validateNested(
  schema: JSONSchemaProps,
  field: string,
  causes: StatusCause[],
  depth: number,
  typesAllowed = false,
): void {
  if (depth > maxDepth) return;
  const refuse = (name: string, how: string) =>
    causes.push(cause.forbidden(`${field}.${name}`, `${how} to be structural`));
  for (const name of empty) if (schema[name] && schema[name].length > 0) refuse(name, 'must be empty');
  for (const name of absent) if (schema[name] !== undefined) refuse(name, 'must be undefined');
  for (const name of off) if (schema[name]) refuse(name, 'must be false');
  if (schema.pattern !== undefined && !isPattern(schema.pattern))
    causes.push(cause.invalid(`${field}.pattern`, schema.pattern, "must be a valid regular expression, but isn't"));
  if (schema.properties && Object.hasOwn(schema.properties, 'metadata'))
    causes.push(cause.forbidden(`${field}.properties[metadata]`, 'must not be specified in a nested context'));
  for (const [name, inner] of Object.entries(schema.properties ?? {}))
    validateNested(inner, `${field}.properties[${name}]`, causes, depth + 1);
  if (schema.items && !Array.isArray(schema.items)) validateNested(schema.items, `${field}.items`, causes, depth + 1);
  for (const inner of nestedIn(schema, field))
    if (!(typesAllowed && inner.field.startsWith(`${field}.anyOf[`)))
      validateNested(inner.schema, inner.field, causes, depth + 1, isIntOrString(inner.schema.anyOf));
}

/** The two ways in which a schema may say again that a value is an integer or a string. */
function isIntOrString(anyOf: readonly JSONSchemaProps[] | undefined): boolean {
  if (anyOf?.length !== 2) return false;
  return ['integer', 'string'].every(
    (type, i) => anyOf[i]!.type === type && Object.keys(anyOf[i]!).every((name) => name === 'type'),
  );
}

/** What is said of a field under `allOf` and the like needs the field to be there outside. */
function completeness(
  nested: JSONSchemaProps,
  outside: JSONSchemaProps | undefined,
  at: string,
  from: string,
  causes: StatusCause[],
): void {
  if (outside === undefined) {
    causes.push(cause.required(at, `because it is defined in ${from}`));
    return;
  }
  const { items } = nested;
  const itemsOutside = Array.isArray(outside.items) ? undefined : outside.items;
  if (items && !Array.isArray(items)) completeness(items, itemsOutside, `${at}.items`, `${from}.items`, causes);
  for (const [name, inner] of Object.entries(nested.properties ?? {}))
    completeness(inner, outside.properties?.[name], `${at}.properties[${name}]`, `${from}.properties[${name}]`, causes);
  for (const inner of nestedIn(nested, from)) completeness(inner.schema, outside, at, inner.field, causes);
}

function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern.replace(/^\(\?[ims]+\)/, '').replaceAll('(?P<', '(?<'));
    return true;
  } catch {
    return /\\[pP]\{|\[\[:|\(\?[imsU-]+[:)]|\\[zAQE]/.test(pattern);
  }
}
