/** JSON merge patches (RFC 7386): what the patch holds replaces, null removes, objects merge. */
import { equalJson, isObject } from './json.ts';
import { setField } from './jsonpointer.ts';

/** The target with the patch applied. Neither is changed; the result shares with both what it did not have to copy. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const name of Object.keys(patch)) {
    const value = patch[name];
    if (value === null) delete result[name];
    else if (value !== undefined)
      setField(result, name, applyMergePatch(Object.hasOwn(result, name) ? result[name] : undefined, value));
  }
  return result;
}

/**
 * The smallest merge patch that makes `to` of `from`; `{}` when they are the same. A null inside `to` cannot be said by a merge
 * patch and comes out as absence.
 */
export function createMergePatch(
  from: Readonly<Record<string, unknown>>,
  to: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const name of Object.keys(from))
    if (from[name] !== undefined && (!Object.hasOwn(to, name) || to[name] === undefined)) setField(patch, name, null);
  for (const name of Object.keys(to)) {
    const before = Object.hasOwn(from, name) ? from[name] : undefined;
    const after = to[name];
    if (after === undefined || equalJson(before, after)) continue;
    setField(patch, name, isObject(before) && isObject(after) ? createMergePatch(before, after) : after);
  }
  return patch;
}
