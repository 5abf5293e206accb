/**
 * What is known of a field: its type, and how it merges. Built-in kinds and custom resources both arrive as this, so
 * validation, pruning, defaulting, patching, applying and publishing have one path.
 */

export type SchemaType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';

export interface Schema {
  /** Absent: any JSON value. */
  readonly type?: SchemaType;
  /**
   * As in OpenAPI, plus three that stand for types with rules of their own: `int-or-string`, `quantity`, and
   * `micro-time` (others: int32, int64, double, date-time, byte).
   */
  readonly format?: string;
  /** Object with known fields. May be reached through cycles: never walk it without a value in hand. */
  readonly properties?: Readonly<Record<string, Schema>>;
  /** Object used as a map: the schema of its values. */
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly nullable?: boolean;
  readonly default?: unknown;
  /** How apply merges a list; absent means atomic. */
  readonly listType?: 'atomic' | 'set' | 'map';
  /** With `listType: map`: the fields that name an item. */
  readonly listMapKeys?: readonly string[];
  /** How apply merges an object or a map; absent means granular. */
  readonly mapType?: 'atomic' | 'granular';
  /** Strategic merge: `merge`, `replace`, `retainKeys` in any combination. */
  readonly patchStrategy?: readonly string[];
  readonly patchMergeKey?: string;
  /** Keeps fields that `properties` does not name. */
  readonly preserveUnknownFields?: boolean;
  /** Holds a whole object, with `apiVersion`, `kind` and `metadata`. */
  readonly embeddedResource?: boolean;
  /** The published definition it came from, such as `io.k8s.api.core.v1.PodSpec`. */
  readonly ref?: string;
  /** The Go type that Kubernetes decodes it into, as its type errors name it: `int32`, `v1.PullPolicy`. */
  readonly typeName?: string;
  /** How Kubernetes writes a zero value: left out, or shown even when the field was absent. Absent: told apart from absence. */
  readonly zero?: 'omit' | 'show';
  readonly description?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly multipleOf?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
}

/** The field `name` of an object of this schema, or undefined when nothing is known of it. */
export function fieldOf(schema: Schema | undefined, name: string): Schema | undefined {
  return schema?.properties?.[name] ?? schema?.additionalProperties;
}
