/**
 * How a value merges and who can own its parts, worked out from a schema once: which objects and lists are one indivisible
 * whole, and what names an item of a list. The walks over objects (`fieldsof`, `fieldcompare`, `fieldmerge`) lean on it.
 */
import type { Schema } from './schema.ts';

export type ListMerge = 'atomic' | 'set' | 'map';

/** A field that the schema names. */
export class NamedField {
  /** As it stands in FieldsV1: `f:replicas`. */
  readonly key: string;
  readonly #schema: Schema;
  #plan: MergePlan | undefined;

  constructor(name: string, schema: Schema) {
    this.key = `f:${name}`;
    this.#schema = schema;
  }

  /** Made on first reading: schemas have cycles. */
  get plan(): MergePlan {
    return (this.#plan ??= mergePlanOf(this.#schema));
  }
}

export class MergePlan {
  /** An object is owned and replaced as a whole. */
  readonly atomicObject: boolean;
  readonly list: ListMerge;
  /** With `map`: the fields that name an item, sorted. */
  readonly keys: readonly string[];
  /** Fields other than the named ones may be there. */
  readonly open: boolean;
  readonly #schema: Schema;
  #named: Map<string, NamedField> | undefined;
  #values: MergePlan | undefined;
  #items: MergePlan | undefined;
  #keyDefaults: readonly unknown[] | undefined;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.atomicObject = schema.mapType === 'atomic';
    this.list = listMergeOf(schema);
    this.keys = [
      ...(schema.listMapKeys ?? (schema.patchMergeKey === undefined ? [] : [schema.patchMergeKey])),
    ].toSorted();
    this.open =
      schema.preserveUnknownFields === true ||
      schema.additionalProperties !== undefined ||
      schema.type !== 'object' ||
      schema.properties === undefined;
  }

  get named(): ReadonlyMap<string, NamedField> {
    if (this.#named === undefined) {
      this.#named = new Map();
      for (const [name, schema] of Object.entries(this.#schema.properties ?? {}))
        this.#named.set(name, new NamedField(name, schema));
    }
    return this.#named;
  }

  /** Of fields that the schema does not name. */
  get values(): MergePlan {
    return (this.#values ??= mergePlanOf(this.#schema.additionalProperties ?? anything));
  }

  get items(): MergePlan {
    return (this.#items ??= mergePlanOf(this.#schema.items ?? anything));
  }

  /** What the field of the same place in `keys` counts as when an item lacks it. */
  get keyDefaults(): readonly unknown[] {
    return (this.#keyDefaults ??= this.keys.map((key) => this.#schema.items?.properties?.[key]?.default));
  }
}

const anything: Schema = Object.freeze({});
const plans = new WeakMap<Schema, MergePlan>();

export function mergePlanOf(schema: Schema): MergePlan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    plan = new MergePlan(schema);
    plans.set(schema, plan);
  }
  return plan;
}

function listMergeOf({ listType, listMapKeys, patchStrategy, patchMergeKey }: Schema): ListMerge {
  if (listType !== undefined) return listType === 'map' && !listMapKeys?.length ? 'atomic' : listType;
  if (!patchStrategy?.includes('merge')) return 'atomic';
  return patchMergeKey === undefined ? 'set' : 'map';
}

/**
 * The name of an item in FieldsV1, `k:{"name":"web"}` or `v:"x"`; undefined when it has none (none of its key fields is
 * there, or it is not of the kind of value that such a list holds).
 */
export function itemKey(plan: MergePlan, item: unknown): string | undefined {
  if (plan.list === 'set') return typeof item === 'object' ? undefined : `v:${JSON.stringify(item)}`;
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined;
  const { keys } = plan;
  let text = '';
  for (let i = 0; i < keys.length; i++) {
    const value = (item as Record<string, unknown>)[keys[i]!] ?? plan.keyDefaults[i];
    if (value !== undefined && value !== null) text += `${text === '' ? '' : ','}"${keys[i]}":${JSON.stringify(value)}`;
  }
  return text === '' ? undefined : `k:{${text}}`;
}
