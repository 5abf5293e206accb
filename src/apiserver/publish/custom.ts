/** Custom resources in OpenAPI: their definition's own schema, with what every object has. Version 2 of the format can say less than version 3. */
import type { Kind } from '../../api/index.ts';
import { isObject } from '../../machinery/index.ts';
import { descriptionsOf } from './descriptions.ts';

type Json = Record<string, any>;

export interface Style {
  readonly refs: string;
  /** Version 3: a reference with a description is wrapped. */
  readonly wrapped: boolean;
}

/** How a definition is called: `com.example.stable.v1.CronTab`. */
export function customName({ group, version, kind }: { group: string; version: string; kind: string }): string {
  return [...group.split('.').toReversed(), version, kind].join('.');
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Of the kind and of its list. */
export function* customDefinitions(kind: Kind, style: Style): Generator<[string, Json]> {
  const name = customName(kind);
  yield [name, { ...bodyOf(kind, style), ...gvk(kind, kind.kind) }];
  const listKind = kind.listKind ?? `${kind.kind}List`;
  yield [
    customName({ ...kind, kind: listKind }),
    {
      description: `${listKind} is a list of ${kind.kind}`,
      type: 'object',
      required: ['items'],
      properties: {
        ...typeFields(),
        items: { type: 'array', items: { $ref: style.refs + name } },
        metadata: reference(`${meta}.ListMeta`, style),
      },
      ...gvk(kind, listKind),
    },
  ];
}

function gvk({ group, version }: Kind, kind: string): Json {
  return { 'x-kubernetes-group-version-kind': [{ group, version, kind }] };
}

function bodyOf(kind: Kind, style: Style): Json {
  const props = kind.custom?.props as Json | undefined;
  // a client that knows three fields would take all others for mistakes
  if (props === undefined || (!style.wrapped && props['x-kubernetes-preserve-unknown-fields']))
    return { type: 'object' };
  const body = schemaOf(props, style);
  body.properties = { ...body.properties, ...typeFields(), metadata: metadata(style) };
  const fields = Object.keys(kind.selectableFields);
  if (fields.length > 0) body['x-kubernetes-selectable-fields'] = fields.map((fieldPath) => ({ fieldPath }));
  return body;
}

function told(field: string): { description?: string } {
  const description = descriptionsOf('io.k8s.api.core.v1.ConfigMap')?.fields[field];
  return description === undefined ? {} : { description };
}

let fields: Json | undefined;

function typeFields(): Json {
  return (fields ??= {
    apiVersion: { type: 'string', ...told('apiVersion') },
    kind: { type: 'string', ...told('kind') },
  });
}

let described: { description?: string } | undefined;

function metadata(style: Style): Json {
  return reference(`${meta}.ObjectMeta`, style, (described ??= told('metadata')));
}

function reference(name: string, style: Style, more: Json = {}): Json {
  const ref = { $ref: style.refs + name };
  return style.wrapped && Object.keys(more).length > 0 ? { allOf: [ref], ...more } : { ...ref, ...more };
}

const left = new Set(['example', 'externalDocs', 'id', '$schema', 'properties', 'items', 'additionalProperties']);
const junctors = ['allOf', 'anyOf', 'oneOf', 'not'];

function schemaOf(props: Json, style: Style): Json {
  const schema: Json = {};
  for (const name in props)
    if (!left.has(name) && (style.wrapped || !junctors.includes(name))) schema[name] = props[name];
  const { properties, items, additionalProperties } = props;
  if (properties)
    schema.properties = Object.fromEntries(
      Object.entries(properties as Json).map(([name, inner]) => [name, schemaOf(inner, style)]),
    );
  if (isObject(items)) schema.items = schemaOf(items, style);
  if (additionalProperties !== undefined)
    schema.additionalProperties = isObject(additionalProperties)
      ? schemaOf(additionalProperties, style)
      : additionalProperties;
  if (!style.wrapped) simplify(schema, props);
  if (props['x-kubernetes-embedded-resource'] && (style.wrapped || !props['x-kubernetes-preserve-unknown-fields'])) {
    schema.properties = { ...schema.properties, ...typeFields(), metadata: metadata(style) };
    schema.required = [...new Set([...(schema.required ?? []), 'kind', 'apiVersion'])];
  }
  return schema;
}

/** What clients of version 2 misread is left out. */
function simplify(schema: Json, props: Json): void {
  const anything = props['x-kubernetes-preserve-unknown-fields'] === true;
  if (props.nullable || anything) {
    delete schema.items;
    delete schema.properties;
  }
  if (props.nullable || (anything && props.type === 'object')) delete schema.type;
  delete schema.nullable;
  if (schema.type === 'array' && schema.items === undefined) delete schema.type;
  if (schema.required) {
    const nullable = (name: string) => props.properties?.[name]?.nullable === true;
    schema.required = (schema.required as string[]).filter((name) => !nullable(name));
    if (schema.required.length === 0 || props.additionalProperties?.nullable) delete schema.required;
  }
}
