/** Joining what is applied into what is there, and taking fields out again. Neither input is changed; results share with them. */
import { isMember } from './fieldset.ts';
import { isWhole } from './fieldsof.ts';
import { isObject } from './json.ts';
import { setField } from './jsonpointer.ts';
import { itemKey, type MergePlan } from './mergeplan.ts';
import type { FieldsV1 } from './meta.ts';

/** The live value with the applied one on top. */
export function mergeFields(plan: MergePlan, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live;
  if (live === undefined || live === null) return applied;
  if (isObject(live)) {
    if (isObject(applied) && !plan.atomicObject) return mergeObjects(plan, live, applied);
    // null claims the field, and takes nothing out of what is inside it
    return applied === null && !isWhole(plan, live) ? live : applied;
  }
  if (!Array.isArray(live) || plan.list === 'atomic') return applied;
  if (applied === null && live.length > 0) return live;
  return Array.isArray(applied) && live.length + applied.length > 0 ? mergeLists(plan, live, applied) : applied;
}

function mergeObjects(plan: MergePlan, live: Record<string, unknown>, applied: Record<string, unknown>): unknown {
  const result = { ...live };
  for (const name in applied) {
    const child = plan.named.get(name)?.plan ?? plan.values;
    setField(result, name, mergeFields(child, Object.hasOwn(live, name) ? live[name] : undefined, applied[name]));
  }
  return result;
}

/**
 * Items of both, each once: those that both have in the order of the applied list, the live list's own before the first
 * applied item that follows them.
 */
function mergeLists(plan: MergePlan, live: readonly unknown[], applied: readonly unknown[]): unknown[] {
  const liveKeys = live.map((item) => itemKey(plan, item));
  const appliedKeys = applied.map((item) => itemKey(plan, item));
  const liveByKey = indexOnce(liveKeys);
  const appliedByKey = indexOnce(appliedKeys);
  const shared = appliedKeys.filter((key) => key !== undefined && liveByKey.has(key));
  const merged = new Set<string | undefined>();
  const result: unknown[] = [];
  let nextShared = 0;
  let i = 0;
  let j = 0;
  const takeApplied = () => {
    const key = appliedKeys[j];
    const at = key === undefined ? undefined : liveByKey.get(key);
    merged.add(key);
    result.push(mergeFields(plan.items, at === undefined || at < 0 ? undefined : live[at], applied[j]));
    j++;
    if (nextShared < shared.length && shared[nextShared] === key) nextShared++;
  };
  while (i < live.length || j < applied.length) {
    if (i < live.length) {
      const key = liveKeys[i];
      const inBoth = key !== undefined && appliedByKey.has(key);
      if (!inBoth) {
        result.push(live[i++]);
        continue;
      }
      if (j < applied.length && key === appliedKeys[j]) {
        i++;
        takeApplied();
        continue;
      }
      // its turn comes with the applied list, or has been
      if (merged.has(key) || (nextShared < shared.length && shared[nextShared] !== key)) {
        i++;
        continue;
      }
    }
    if (j < applied.length) takeApplied();
  }
  return result;
}

/** Where each key stands; -1 when several items have it, which then are not merged with. */
function indexOnce(keys: readonly (string | undefined)[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const [index, key] of keys.entries()) if (key !== undefined) found.set(key, found.has(key) ? -1 : index);
  return found;
}

/** The value without the set's members. What lost all it held stays, empty. */
export function removeFields(plan: MergePlan, value: unknown, set: FieldsV1): unknown {
  if (isWhole(plan, value)) return value;
  return Array.isArray(value)
    ? removeFromList(plan, value, set)
    : removeFromObject(plan, value as Record<string, unknown>, set);
}

function removeFromObject(plan: MergePlan, object: Record<string, unknown>, set: FieldsV1): unknown {
  let result: Record<string, unknown> | undefined;
  for (const step in set) {
    const name = step.slice(2);
    if (!step.startsWith('f:') || !Object.hasOwn(object, name)) continue;
    if (isMember(set[step]!)) delete (result ??= { ...object })[name];
    else {
      const rest = removeFields(plan.named.get(name)?.plan ?? plan.values, object[name], set[step]!);
      if (rest !== object[name]) setField((result ??= { ...object }), name, rest);
    }
  }
  return result ?? object;
}

function removeFromList(plan: MergePlan, items: readonly unknown[], set: FieldsV1): unknown {
  let changed = false;
  const result: unknown[] = [];
  for (const item of items) {
    const key = itemKey(plan, item);
    const node = key === undefined ? undefined : set[key];
    if (node === undefined) result.push(item);
    else if (isMember(node)) changed = true;
    else {
      const rest = removeFields(plan.items, item, node);
      changed ||= rest !== item;
      result.push(rest);
    }
  }
  return changed ? result : items;
}
