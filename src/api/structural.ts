/**
 * Custom resources: what their OpenAPI schema prunes and defaults. Where the schema holds a published definition
 * (metadata does), the decoder of that definition takes over.
 */
import { cloneJson, isObject, type Schema } from '../machinery/index.ts';
import { DecodeError, decoderOf } from './decode.ts';

/** Drops, in place, the fields that the schema does not know, and tells the path of each. Throws `DecodeError`. */
export function prune(schema: Schema, value: unknown, onUnknown: (path: string) => void, path = '', depth = 0): void {
  if (depth > 500) throw new DecodeError('exceeded max depth');
  if (schema.ref !== undefined)
    return decoderOf(schema)(value, (inner) => onUnknown(path === '' ? inner : `${path}.${inner}`));
  if (Array.isArray(value)) {
    if (schema.items)
      for (const [i, item] of value.entries()) prune(schema.items, item, onUnknown, `${path}[${i}]`, depth + 1);
    return;
  }
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    const inner = path === '' ? name : `${path}.${name}`;
    const known =
      schema.properties && Object.hasOwn(schema.properties, name)
        ? schema.properties[name]
        : schema.additionalProperties;
    if (known) prune(known, value[name], onUnknown, inner, depth + 1);
    else if (!schema.preserveUnknownFields && !(schema.embeddedResource && typeFields.has(name))) {
      onUnknown(inner);
      delete value[name];
    }
  }
}

const typeFields = new Set(['apiVersion', 'kind', 'metadata']);

/**
 * Fills absent fields with the schema's defaults, in place. Null where the schema does not allow it counts as absent: it becomes the default, and
 * goes from objects where there is none.
 */
export function fillDefaults(schema: Schema, value: unknown): void {
  if (schema.ref !== undefined) return;
  if (Array.isArray(value)) {
    if (schema.items) fillItems(schema.items, value);
    return;
  }
  if (!isObject(value)) return;
  const { properties, additionalProperties } = schema;
  for (const name in properties) {
    const field = properties[name]!;
    const given = value[name];
    const absent = given === undefined || (given === null && !field.nullable);
    if (absent && field.default !== undefined) value[name] = cloneJson(field.default);
    else if (absent && given === null) delete value[name];
    if (value[name] !== undefined) fillDefaults(field, value[name]);
  }
  if (!additionalProperties) return;
  for (const name of Object.keys(value)) {
    if (properties && Object.hasOwn(properties, name)) continue;
    const { default: fill, nullable } = additionalProperties;
    if (value[name] === null && !nullable && !additionalProperties.preserveUnknownFields) {
      if (fill === undefined) {
        delete value[name];
        continue;
      }
      value[name] = cloneJson(fill);
    }
    fillDefaults(additionalProperties, value[name]);
  }
}

function fillItems(schema: Schema, items: unknown[]): void {
  for (const [i, item] of items.entries()) {
    if (item === null && !schema.nullable && schema.default !== undefined) items[i] = cloneJson(schema.default);
    fillDefaults(schema, items[i]);
  }
}
