/** What makes the schema of a custom resource structural: every value's type can be told without looking at the value. */
import { cause, type StatusCause } from '../../../machinery/index.ts';
import type { JSONSchemaProps } from '../../gen/types.ts';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const maxDepth = 200;
const combinations = ['allOf', 'anyOf', 'oneOf'] as const;

/** The causes that make `schema` no structural schema. */
export function validateStructural(schema: JSONSchemaProps, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (schema.type !== 'object')
    causes.push(
      schema.type
        ? cause.invalid(`${field}.type`, schema.type, 'must be object at the root')
        : cause.required(`${field}.type`, 'must not be empty at the root'),
    );
  const metadata = schema.properties?.metadata;
  for (const name of Object.keys(metadata ?? {}))
    if (!['type', 'properties', 'description'].includes(name))
      causes.push(
        cause.forbidden(
          `${field}.properties[metadata]`,
          'must not specify anything other than name and generateName, but metadata is implicitly specified',
        ),
      );
  visit(schema, field, causes, true, 0);
  return causes;
}

function visit(schema: JSONSchemaProps, at: string, causes: StatusCause[], isRoot: boolean, depth: number): void {
  if (depth > maxDepth) {
    causes.push(cause.invalid(at, '', `must not be nested deeper than ${maxDepth} levels`));
    return;
  }
  validateType(schema, at, causes, isRoot);
  validateLists(schema, at, causes);
  for (const name of ['$ref', 'definitions', 'dependencies', 'patternProperties', 'additionalItems', 'id'] as const)
    if (schema[name] !== undefined) causes.push(cause.forbidden(`${at}.${name}`, `${name} is not supported`));
  if (schema.uniqueItems)
    causes.push(
      cause.forbidden(
        `${at}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  if (schema.pattern !== undefined && !isPattern(schema.pattern))
    causes.push(cause.invalid(`${at}.pattern`, schema.pattern, "must be a valid regular expression, but isn't"));
  for (const [name, inner] of Object.entries(schema.properties ?? {}))
    visit(inner, `${at}.properties[${name}]`, causes, false, depth + 1);
  const { additionalProperties, items } = schema;
  if (additionalProperties !== undefined && schema.properties)
    causes.push(
      cause.forbidden(`${at}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
    );
  if (typeof additionalProperties === 'object')
    visit(additionalProperties, `${at}.additionalProperties`, causes, false, depth + 1);
  if (additionalProperties === false)
    causes.push(cause.forbidden(`${at}.additionalProperties`, 'additionalProperties cannot be set to false'));
  if (Array.isArray(items))
    causes.push(cause.forbidden(`${at}.items`, 'items must be a schema object and not an array'));
  else if (items) visit(items, `${at}.items`, causes, false, depth + 1);
  for (const name of combinations)
    for (const [i, inner] of (schema[name] ?? []).entries())
      validateValueRules(inner, `${at}.${name}[${i}]`, causes, depth + 1);
  if (schema.not) validateValueRules(schema.not, `${at}.not`, causes, depth + 1);
}

function validateType(schema: JSONSchemaProps, at: string, causes: StatusCause[], isRoot: boolean): void {
  const { type } = schema;
  const anyValue = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  if (type !== undefined && !types.includes(type)) causes.push(cause.notSupported(`${at}.type`, type, types));
  if (!type && !anyValue && !isRoot)
    causes.push(cause.required(`${at}.type`, 'must not be empty for specified object fields'));
  if (schema['x-kubernetes-int-or-string'] && type)
    causes.push(cause.forbidden(`${at}.type`, 'must be empty if x-kubernetes-int-or-string is true'));
  if (schema['x-kubernetes-embedded-resource'] && type !== 'object')
    causes.push(cause.invalid(`${at}.type`, type ?? '', 'must be object if x-kubernetes-embedded-resource is true'));
  if (type === 'array' && !schema.items) causes.push(cause.required(`${at}.items`, 'must be specified'));
}

function validateLists(schema: JSONSchemaProps, at: string, causes: StatusCause[]): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (listType === undefined) {
    if (keys.length > 0)
      causes.push(
        cause.required(`${at}.x-kubernetes-list-type`, 'must be map if x-kubernetes-list-map-keys is non-empty'),
      );
    return;
  }
  if (!['atomic', 'map', 'set'].includes(listType))
    causes.push(cause.notSupported(`${at}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set']));
  if (schema.type !== 'array')
    causes.push(cause.invalid(`${at}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'));
  if (listType !== 'map') return;
  if (keys.length === 0)
    causes.push(
      cause.required(`${at}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'),
    );
  const items = Array.isArray(schema.items) ? undefined : schema.items;
  for (const [i, key] of keys.entries()) {
    const field = items?.properties?.[key];
    if (!field)
      causes.push(
        cause.invalid(`${at}.x-kubernetes-list-map-keys[${i}]`, key, 'entries must all be names of item properties'),
      );
    else if (!items?.required?.includes(key) && field.default === undefined)
      causes.push(
        cause.required(
          `${at}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
  }
}

/** Under `allOf` and the like only rules for values may stand: what the value is has been said outside. */
function validateValueRules(schema: JSONSchemaProps, at: string, causes: StatusCause[], depth: number): void {
  if (depth > maxDepth) return;
  for (const name of [
    'type',
    'default',
    'description',
    'title',
    'nullable',
    'additionalProperties',
    'x-kubernetes-preserve-unknown-fields',
    'x-kubernetes-int-or-string',
  ] as const) {
    const intOrString =
      name === 'type' && /\.anyOf\[[01]\]$/.test(at) && (schema.type === 'integer' || schema.type === 'string');
    if (schema[name] !== undefined && !intOrString)
      causes.push(cause.forbidden(`${at}.${name}`, 'must be empty to be structural'));
  }
  for (const [name, inner] of Object.entries(schema.properties ?? {}))
    validateValueRules(inner, `${at}.properties[${name}]`, causes, depth + 1);
  if (schema.items && !Array.isArray(schema.items)) validateValueRules(schema.items, `${at}.items`, causes, depth + 1);
  for (const name of combinations)
    for (const [i, inner] of (schema[name] ?? []).entries())
      validateValueRules(inner, `${at}.${name}[${i}]`, causes, depth + 1);
}

function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern.replace(/^\(\?[ims]+\)/, '').replaceAll('(?P<', '(?<'));
    return true;
  } catch {
    return /\\[pP]\{|\[\[:|\(\?[imsU-]+[:)]|\\[zAQE]/.test(pattern);
  }
}
