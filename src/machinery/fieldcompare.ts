/** What differs between two objects, as sets of fields. */
import { emptyFields, isEmptyFields, leaf, nodeOf } from './fieldset.ts';
import { isWhole } from './fieldsof.ts';
import { equalJson } from './json.ts';
import { itemKey, type MergePlan } from './mergeplan.ts';
import type { FieldsV1 } from './meta.ts';

export interface FieldComparison {
  /** Fields that only the second has, or that are not the same in both. */
  readonly changed: FieldsV1;
  /** Fields that only the first has. */
  readonly removed: FieldsV1;
}

type Fields = Readonly<Record<string, unknown>>;

/** Fields of the server, which nobody owns. */
const unownedRoot = new Set(['apiVersion', 'kind']);
const unownedMeta = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion',
]);

/** Those fields as a set. */
export const unownedFields: FieldsV1 = {
  'f:apiVersion': leaf,
  'f:kind': leaf,
  'f:metadata': { '.': leaf, ...Object.fromEntries([...unownedMeta].map((name) => [`f:${name}`, leaf])) },
};

/** Compares two API objects. Fields that nobody owns, such as `kind`, `metadata.name` and `metadata.resourceVersion`, are left out. */
export function compareFields(plan: MergePlan, from: Fields, to: Fields): FieldComparison {
  const level = new Level();
  compareObjects(plan, from, to, level, unownedRoot);
  return { changed: level.changed ?? emptyFields, removed: level.removed ?? emptyFields };
}

/** One object or list on the way down, with what was found in it so far. */
class Level {
  changed: FieldsV1 | undefined = undefined;
  removed: FieldsV1 | undefined = undefined;

  change(key: string, node: FieldsV1 | undefined): void {
    if (node !== undefined) (this.changed ??= {})[key] = node;
  }

  remove(key: string, node: FieldsV1 | undefined): void {
    if (node !== undefined) (this.removed ??= {})[key] = node;
  }

  take(key: string, below: Level): void {
    this.change(key, below.changed);
    this.remove(key, below.removed);
  }
}

function compareObjects(plan: MergePlan, from: Fields, to: Fields, level: Level, skipped?: ReadonlySet<string>): void {
  const { named } = plan;
  for (const name in to) {
    const before = Object.hasOwn(from, name) ? from[name] : undefined;
    const after = to[name];
    if (before === after || skipped?.has(name)) continue;
    const field = named.get(name);
    const key = field === undefined ? `f:${name}` : field.key;
    const child = field === undefined ? plan.values : field.plan;
    if (skipped === unownedRoot && name === 'metadata')
      compareMeta(child, key, before as Fields, after as Fields, level);
    else compareValues(child, key, before, after, level);
  }
  for (const name in from) {
    if (from[name] === undefined || Object.hasOwn(to, name) || skipped?.has(name)) continue;
    const field = named.get(name);
    const child = field === undefined ? plan.values : field.plan;
    level.remove(field === undefined ? `f:${name}` : field.key, wholeNode(child, from[name]));
  }
}

function compareMeta(plan: MergePlan, key: string, before: Fields | undefined, after: Fields, level: Level): void {
  const below = new Level();
  compareObjects(plan, before ?? {}, after, below, unownedMeta);
  level.take(key, below);
}

function compareValues(plan: MergePlan, key: string, before: unknown, after: unknown, level: Level): void {
  if (before === undefined || after === undefined) {
    if (after !== undefined) level.change(key, wholeNode(plan, after));
    else if (before !== undefined) level.remove(key, wholeNode(plan, before));
  } else if (equalJson(before, after)) {
    // most of an object is as it was, and seeing that is ten times cheaper than walking both sides by their plan
  } else if (opens(plan, before) || opens(plan, after)) compareInside(plan, key, before, after, level);
  else level.change(key, leaf);
}

/** Something inside the value is owned on its own. */
function opens(plan: MergePlan, value: unknown): boolean {
  return Array.isArray(value) ? plan.list !== 'atomic' && value.length > 0 : !isWhole(plan, value);
}

/** At least one of the two opens. An empty or null other side is what it is compared with, a scalar is a change by itself. */
function compareInside(plan: MergePlan, key: string, before: unknown, after: unknown, level: Level): void {
  const below = new Level();
  const shape = opens(plan, after) ? after : before;
  const fits = (value: unknown) =>
    value === null || (typeof value === 'object' && Array.isArray(value) === Array.isArray(shape));
  const from = fits(before) ? before : null;
  const to = fits(after) ? after : null;
  if (Array.isArray(shape)) compareLists(plan, (from ?? []) as unknown[], (to ?? []) as unknown[], below);
  else compareObjects(plan, (from ?? {}) as Fields, (to ?? {}) as Fields, below);
  const mismatch = !fits(before) || !fits(after);
  level.change(key, mismatch ? nodeOf(true, below.changed) : below.changed);
  level.remove(key, below.removed);
}

function compareLists(plan: MergePlan, from: readonly unknown[], to: readonly unknown[], level: Level): void {
  const before = byKey(plan, from);
  const after = byKey(plan, to);
  for (const [key, now] of after) {
    const then = before.get(key);
    if (then === undefined) level.change(key, now.length > 1 ? leaf : wholeNode(plan.items, now[0]));
    else compareItems(plan.items, key, then, now, level);
  }
  for (const [key, then] of before)
    if (!after.has(key)) level.remove(key, then.length > 1 ? leaf : wholeNode(plan.items, then[0]));
}

/** Items that share a name stand together as one atomic value. */
function compareItems(
  plan: MergePlan,
  key: string,
  then: readonly unknown[],
  now: readonly unknown[],
  level: Level,
): void {
  if (then.length === 1 && now.length === 1) {
    if (then[0] !== now[0]) compareValues(plan, key, then[0], now[0], level);
  } else if (then.length > 1 && now.length > 1) {
    if (!equalJson(then, now)) level.change(key, leaf);
  } else if (then.length > 1) {
    level.change(key, wholeNode(plan, now[0]));
    level.remove(key, leaf);
  } else {
    level.remove(key, wholeNode(plan, then[0]));
    level.change(key, leaf);
  }
}

function byKey(plan: MergePlan, items: readonly unknown[]): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const item of items) {
    const key = itemKey(plan, item);
    if (key === undefined) continue;
    const same = found.get(key);
    if (same === undefined) found.set(key, [item]);
    else same.push(item);
  }
  return found;
}

/** A value that only one side has: it and all that is inside it. */
function wholeNode(plan: MergePlan, value: unknown): FieldsV1 | undefined {
  if (!opens(plan, value)) return value === undefined ? undefined : leaf;
  const node: FieldsV1 = { '.': leaf };
  if (Array.isArray(value)) addItems(plan, value, node);
  else addFields(plan, value as Fields, node);
  return isEmptyFields(node) ? leaf : node;
}

function addFields(plan: MergePlan, object: Fields, node: FieldsV1): void {
  const { named } = plan;
  for (const name in object) {
    const field = named.get(name);
    const inside = wholeNode(field === undefined ? plan.values : field.plan, object[name]);
    if (inside !== undefined) node[field === undefined ? `f:${name}` : field.key] = inside;
  }
}

function addItems(plan: MergePlan, items: readonly unknown[], node: FieldsV1): void {
  for (const item of items) {
    const key = itemKey(plan, item);
    // the second of the same name: only the name is owned
    if (key !== undefined) node[key] = node[key] === undefined ? wholeNode(plan.items, item)! : leaf;
  }
}
