/** What a schema may say of how lists and maps merge. */
import { cause, type StatusCause } from '../../../machinery/index.ts';
import type { JSONSchemaProps } from '../../gen/types.ts';

const listTypes = ['atomic', 'set', 'map'];
const mapTypes = ['atomic', 'granular'];

export function validateLists(schema: JSONSchemaProps, at: string, causes: StatusCause[]): void {
  const listType = schema['x-kubernetes-list-type'];
  const mapType = schema['x-kubernetes-map-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const needs = (type: string, name: string) => {
    const told = `must be ${type} if ${name} is specified`;
    if (schema.type !== type)
      causes.push(schema.type ? cause.invalid(`${at}.type`, schema.type, told) : cause.required(`${at}.type`, told));
  };
  if (mapType !== undefined) {
    needs('object', 'x-kubernetes-map-type');
    if (!mapTypes.includes(mapType)) causes.push(cause.notSupported(`${at}.x-kubernetes-map-type`, mapType, mapTypes));
  }
  if (listType !== undefined) {
    needs('array', 'x-kubernetes-list-type');
    if (!listTypes.includes(listType))
      causes.push(cause.notSupported(`${at}.x-kubernetes-list-type`, listType, listTypes));
  }
  if (keys.length > 0 && listType !== 'map') {
    const told = 'must be map if x-kubernetes-list-map-keys is non-empty';
    const field = `${at}.x-kubernetes-list-type`;
    causes.push(listType === undefined ? cause.required(field, told) : cause.invalid(field, listType, told));
  }
  const items = Array.isArray(schema.items) ? undefined : schema.items;
  if (listType === 'set' && items) validateSet(items, at, causes);
  if (listType === 'map') validateMap(items, keys, at, causes);
  if ((listType === 'set' || listType === 'map') && items?.nullable)
    causes.push(
      cause.forbidden(`${at}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`),
    );
}

function validateSet(items: JSONSchemaProps, at: string, causes: StatusCause[]): void {
  const told = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const { 'x-kubernetes-list-type': list, 'x-kubernetes-map-type': map } = items;
  if (items.type === 'array' && list !== undefined && list !== 'atomic')
    causes.push(cause.invalid(`${at}.items.x-kubernetes-list-type`, list, told));
  if (items.type === 'object' && map !== 'atomic')
    causes.push(cause.invalid(`${at}.items.x-kubernetes-map-type`, map, told));
}

function validateMap(
  items: JSONSchemaProps | undefined,
  keys: readonly string[],
  at: string,
  causes: StatusCause[],
): void {
  const field = `${at}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) causes.push(cause.required(field, 'must not be empty if x-kubernetes-list-type is map'));
  if (!items) {
    causes.push(cause.required(`${at}.items`, 'must have a schema if x-kubernetes-list-type is map'));
    return;
  }
  if (items.type !== 'object') {
    const told = "must be object if parent array's x-kubernetes-list-type is map";
    causes.push(cause.invalid(`${at}.items.type`, items.type ?? '', told));
    return;
  }
  if (new Set(keys).size < keys.length) causes.push(cause.invalid(field, keys, 'must not contain duplicate entries'));
  for (const key of new Set(keys)) validateKey(items, key, at, keys, causes);
}

function validateKey(
  items: JSONSchemaProps,
  key: string,
  at: string,
  keys: readonly string[],
  causes: StatusCause[],
): void {
  const property = items.properties?.[key];
  if (!property) {
    causes.push(
      cause.invalid(`${at}.x-kubernetes-list-map-keys`, keys, 'entries must all be names of item properties'),
    );
    return;
  }
  const place = `${at}.items.properties[${key}]`;
  if (property.type === 'array' || property.type === 'object') {
    const told = "must be a scalar type if parent array's x-kubernetes-list-type is map";
    causes.push(cause.invalid(`${place}.type`, property.type, told));
  }
  if (!items.required?.includes(key) && property.default === undefined)
    causes.push(
      cause.required(
        `${place}.default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      ),
    );
  if (property.nullable)
    causes.push(
      cause.forbidden(`${place}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'),
    );
}
