/**
 * Expressions with what Kubernetes 1.36 makes of them: their type, their value or error, what they cost, what they are
 * estimated to cost, or why they are refused. `testkit/facts.json` was written down from a run of its own packages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '../schema.ts';
import { Type as TypeValue } from './types.ts';
import {
  compile,
  dynType,
  estimateCost,
  formatType,
  jsonPatchLibrary,
  kubernetesEnvironment,
  schemaType,
  type Type,
} from './index.ts';
import facts from './testkit/facts.json' with { type: 'json' };
import { formatDuration, formatTimestamp } from './time.ts';
import {
  Double,
  Duration,
  isList,
  isMap,
  type List,
  listItems,
  Optional,
  Timestamp,
  typeOfValue,
  Uint,
} from './values.ts';

interface Fact {
  readonly expr: string;
  /** Why it is refused; true when it is only when it is prepared. */
  readonly refused?: string | boolean;
  readonly type?: string;
  readonly value?: string;
  readonly error?: string;
  readonly cost?: number;
  readonly min?: number;
  readonly max?: number | string;
}

/** The schema of a definition as the server holds it. */
function schemaOf(props: any): Schema {
  const { properties, items, additionalProperties, ...rest } = props;
  const each = (all: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(all).map(([name, one]) => [name, schemaOf(one)]));
  return {
    ...rest,
    ...(properties && { properties: each(properties) }),
    ...(items && { items: schemaOf(items) }),
    ...(additionalProperties && { additionalProperties: schemaOf(additionalProperties) }),
    ...(props['x-kubernetes-int-or-string'] && { format: 'int-or-string' }),
    ...(props['x-kubernetes-list-type'] && { listType: props['x-kubernetes-list-type'] }),
    ...(props['x-kubernetes-list-map-keys'] && { listMapKeys: props['x-kubernetes-list-map-keys'] }),
    ...(props['x-kubernetes-embedded-resource'] && { embeddedResource: true }),
  };
}

function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
  if (value instanceof Uint) return `${value.value}u`;
  if (value instanceof Double) return showDouble(value.value);
  if (value instanceof Uint8Array)
    return `b${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value.nanos);
  if (value instanceof Optional) return value.value === undefined ? 'optional()' : `optional(${show(value.value)})`;
  if (value instanceof TypeValue) return value.name;
  if (isList(value))
    return `[${listItems(value as List)
      .map(show)
      .join(',')}]`;
  if (isMap(value)) return 'map';
  return typeof value === 'object' && value !== null ? typeOfValue(value).name : String(value);
}

function showDouble(value: number): string {
  if (Number.isFinite(value)) return `${value.toFixed(6)}f`;
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

const plainNames = (type: string) =>
  type
    .replace('google.protobuf.Duration', 'duration')
    .replace('google.protobuf.Timestamp', 'timestamp')
    .replace('null_type', 'null');

for (const { schema, root, self, oldSelf, facts: list } of facts as {
  schema?: object;
  root?: boolean;
  self?: unknown;
  oldSelf?: unknown;
  facts: Fact[];
}[]) {
  const type = schema ? (schemaType(schemaOf(schema), { root }) as Type) : dynType;
  const environment = kubernetesEnvironment.extend({
    variables: { self: type, oldSelf: type },
    libraries: [jsonPatchLibrary],
  });
  test(`what Kubernetes makes of ${list.length} expressions such as ${list[0]?.expr}`, () => {
    for (const fact of list) {
      const { program, ...refusal } = compile(fact.expr, environment);
      const { message } = refusal as { message?: string };
      if (fact.refused !== undefined) {
        assert.ok(message, `${fact.expr} is refused`);
        if (typeof fact.refused === 'string') assert.equal(message, `compilation failed: ${fact.refused}`);
        continue;
      }
      assert.ok(program, `${fact.expr} is accepted, but: ${message}`);
      const result = program.evaluate({ self, oldSelf });
      const { min, max } = estimateCost(program);
      const found = {
        expr: fact.expr,
        type: formatType(program.type),
        ...(result.error === undefined ? { value: show(result.value), cost: result.cost } : { error: result.error }),
        min,
        max: max > 2 ** 62 ? 'unbounded' : max,
      };
      assert.deepEqual(found, {
        ...fact,
        type: plainNames(fact.type as string),
        min: Math.min(fact.min as number, 2 ** 64),
      });
    }
  });
}
