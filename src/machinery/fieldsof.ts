/** The fields that an object holds, as the set that its applier owns. */
import { emptyFields, leaf, nodeOf } from './fieldset.ts';
import { itemKey, type MergePlan } from './mergeplan.ts';
import type { FieldsV1 } from './meta.ts';

/** One for each list, so that an item that comes twice is seen. */
type Seen = Map<string, number>;

/**
 * Every leaf, atomic whole, list item and map entry of the object. Objects that the schema names are members only when they
 * are empty, lists never. Items that nothing names are passed over; of items with the same name only the name is a member.
 */
export function fieldsOf(plan: MergePlan, object: Readonly<Record<string, unknown>>): FieldsV1 {
  return fieldsOfObject(plan, object) ?? emptyFields;
}

function fieldsOfObject(plan: MergePlan, object: Readonly<Record<string, unknown>>): FieldsV1 | undefined {
  let set: FieldsV1 | undefined;
  const { named } = plan;
  for (const name in object) {
    const value = object[name];
    if (value === undefined) continue;
    const field = named.get(name);
    const child = field === undefined ? plan.values : field.plan;
    const node = nodeOf(field === undefined || isWhole(child, value), contentOf(child, value));
    if (node !== undefined) (set ??= {})[field === undefined ? `f:${name}` : field.key] = node;
  }
  return set;
}

/** Nothing inside the value is owned on its own. */
export function isWhole(plan: MergePlan, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return plan.list === 'atomic';
  if (plan.atomicObject) return true;
  for (const _ in value) return false;
  return true;
}

function contentOf(plan: MergePlan, value: unknown): FieldsV1 | undefined {
  if (isWhole(plan, value)) return undefined;
  return Array.isArray(value) ? fieldsOfItems(plan, value) : fieldsOfObject(plan, value as Record<string, unknown>);
}

function fieldsOfItems(plan: MergePlan, items: readonly unknown[]): FieldsV1 | undefined {
  let set: FieldsV1 | undefined;
  const seen: Seen = new Map();
  for (const item of items) {
    const key = itemKey(plan, item);
    if (key === undefined) continue;
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    (set ??= {})[key] = times > 1 ? leaf : nodeOf(true, contentOf(plan.items, item))!;
  }
  return set;
}

/** The named fields on the way to a member count as members too: what is said of `a.b` is said of `a`, if the schema names `a`. */
export function withNamedFields(plan: MergePlan, set: FieldsV1): FieldsV1 {
  const result: FieldsV1 = {};
  for (const step in set) {
    const node = set[step]!;
    if (step === '.' || node === leaf) {
      result[step] = node;
      continue;
    }
    const field = step.startsWith('f:') ? plan.named.get(step.slice(2)) : undefined;
    const below = field?.plan ?? (step.startsWith('f:') ? plan.values : plan.items);
    const children = withNamedFields(below, node);
    result[step] = field === undefined || children['.'] !== undefined ? children : { '.': leaf, ...children };
  }
  return result;
}
