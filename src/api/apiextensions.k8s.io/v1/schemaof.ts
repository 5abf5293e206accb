/** The schema of a custom resource, as its definition writes it, made into the form that validation, pruning, apply and publishing read. */
import { isObject, type Schema, type SchemaType } from '../../../machinery/index.ts';
import { definition } from '../../definitions.ts';
import { isKnownFormat } from '../../formats.ts';
import type { JSONSchemaProps } from '../../gen/types.ts';

type Mutable<T> = { -readonly [name in keyof T]: T[name] };

/** Formats of numbers, which `check` knows by themselves. */
const numberFormats = new Set(['int32', 'int64', 'float', 'double']);

/** Of a whole object: `apiVersion`, `kind` and `metadata` are there whether they are named or not. */
export function schemaOfResource(props: JSONSchemaProps): Schema {
  const schema = schemaOf(props) as Mutable<Schema>;
  schema.properties = withTypeFields(schema.properties ?? {}, props);
  return schema;
}

export function schemaOf(props: JSONSchemaProps): Schema {
  const schema: Mutable<Schema> = {};
  if (props.type && !props['x-kubernetes-int-or-string']) schema.type = props.type as SchemaType;
  if (props['x-kubernetes-int-or-string']) schema.format = 'int-or-string';
  else if (props.format && (isKnownFormat(props.format) || numberFormats.has(props.format)))
    schema.format = props.format;
  copy(props, schema);
  if (props['x-kubernetes-preserve-unknown-fields']) schema.preserveUnknownFields = true;
  if (props['x-kubernetes-list-type']) schema.listType = props['x-kubernetes-list-type'] as Schema['listType'];
  if (props['x-kubernetes-list-map-keys']) schema.listMapKeys = props['x-kubernetes-list-map-keys'];
  if (props['x-kubernetes-map-type']) schema.mapType = props['x-kubernetes-map-type'] as Schema['mapType'];
  if (props.properties) schema.properties = mapOf(props.properties);
  const { additionalProperties, items } = props;
  if (additionalProperties === true) schema.additionalProperties = { preserveUnknownFields: true };
  else if (isObject(additionalProperties)) schema.additionalProperties = schemaOf(additionalProperties);
  if (items && !Array.isArray(items)) schema.items = schemaOf(items);
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) if (props[name]) schema[name] = props[name].map(schemaOf);
  if (props.not) schema.not = schemaOf(props.not);
  if (props['x-kubernetes-embedded-resource']) {
    schema.embeddedResource = true;
    schema.properties = withTypeFields(schema.properties ?? {}, props);
  }
  return schema;
}

const same = [
  'nullable',
  'default',
  'description',
  'pattern',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'multipleOf',
  'required',
  'enum',
] as const;

function copy(props: JSONSchemaProps, schema: Mutable<Schema>): void {
  for (const name of same) if (props[name] !== undefined) (schema as Record<string, unknown>)[name] = props[name];
}

function mapOf(properties: Record<string, JSONSchemaProps>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(properties).map(([name, props]) => [name, schemaOf(props)]));
}

function withTypeFields(properties: Readonly<Record<string, Schema>>, props: JSONSchemaProps): Record<string, Schema> {
  const text: Schema = { type: 'string', typeName: 'string' };
  return {
    ...properties,
    apiVersion: properties.apiVersion ?? text,
    kind: properties.kind ?? text,
    metadata: metadataOf(props.properties?.metadata),
  };
}

/** ObjectMeta; a definition may say more about the name. */
function metadataOf(props: JSONSchemaProps | undefined): Schema {
  const meta = definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta') as Schema;
  if (!props?.properties) return meta;
  const rules = mapOf(props.properties);
  return { ...meta, properties: { ...meta.properties, ...rules } };
}
