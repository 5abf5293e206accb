/** How `kubectl get` shows a custom resource: its name, and what its definition adds. */
import { age, type Column, type CustomResourceColumnDefinition } from '../../api/index.ts';
import type { AnyObject } from '../../machinery/index.ts';
import { jsonPathOf } from './jsonpath.ts';

const nameColumn: Column<AnyObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique within its namespace',
  value: ({ metadata }) => metadata.name ?? '',
};

const created: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  description: 'When the object was created',
  jsonPath: '.metadata.creationTimestamp',
};

export function columnsOf(definitions: readonly CustomResourceColumnDefinition[] = []): Column<AnyObject>[] {
  return [nameColumn, ...(definitions.length === 0 ? [created] : definitions).map(columnOf)];
}

function columnOf({ name, type, format, description, priority, jsonPath }: CustomResourceColumnDefinition) {
  const path = pathOf(jsonPath);
  const column: Column<AnyObject> = {
    name,
    type: type as Column<AnyObject>['type'],
    ...(format && { format }),
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority: priority ?? 0,
    value: (object, now) => cellOf(type, path(object)[0], now),
  };
  return column;
}

/** A path that cannot be read finds nothing, as upstream shows it. */
function pathOf(text: string): (object: unknown) => unknown[] {
  try {
    return jsonPathOf(text);
  } catch {
    return () => [];
  }
}

function cellOf(type: string, value: unknown, now: number): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : age(value, now);
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}
