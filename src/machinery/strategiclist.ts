/** Lists in strategic merge patches: merging by a key, or as sets of scalars, and the order that comes out. */
import { isObject } from './json.ts';
import { StatusError } from './status.ts';

export type Item = unknown;

export interface ListRules {
  /** The field that names an item; absent: items are scalars and name themselves. */
  readonly key: string | undefined;
  merge(before: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown>;
}

/** The list with the patch merged in. Items of the patch come in its order, the others as near as can be to where they stood. */
export function mergeItems(
  before: readonly Item[],
  patch: readonly Item[],
  rules: ListRules,
  serverOrder: readonly Item[],
): Item[] {
  const objects = kindOf(before, patch) === 'objects';
  if (!objects) return orderItems(distinct([...before, ...patch]), patch, serverOrder, undefined);
  const { key } = rules;
  if (key === undefined) throw StatusError.badRequest('cannot merge lists of objects without a merge key');
  const { kept, plain, replace } = withDirectives(before, patch as Record<string, unknown>[], key);
  if (replace) return plain;
  return orderItems(mergeObjects(kept, plain, key, rules), plain, kept, key);
}

function mergeObjects(
  before: readonly Record<string, unknown>[],
  patch: readonly Record<string, unknown>[],
  key: string,
  rules: ListRules,
): Item[] {
  const merged = [...before];
  const places = new Map<unknown, number>();
  for (const [index, item] of merged.entries()) if (!places.has(item[key])) places.set(item[key], index);
  for (const item of patch) {
    const name = nameIn(item, key);
    const at = places.get(name);
    if (at === undefined) places.set(name, merged.push(rules.merge({}, item)) - 1);
    else merged[at] = rules.merge(merged[at]!, item);
  }
  return merged;
}

/** Applies items such as `{"$patch": "delete", "name": "x"}` and takes them out of the patch. */
function withDirectives(before: readonly Item[], patch: readonly Record<string, unknown>[], key: string) {
  const plain: Record<string, unknown>[] = [];
  const gone = new Set<unknown>();
  let replace = false;
  for (const item of patch) {
    if (!Object.hasOwn(item, '$patch')) plain.push(item);
    else if (item.$patch === 'delete') gone.add(nameIn(item, key));
    else if (item.$patch === 'replace') replace = true;
    else if (item.$patch === 'merge')
      throw StatusError.badRequest('merging lists cannot yet be specified in the patch');
    else
      throw StatusError.badRequest(
        `unknown patch type: ${JSON.stringify(item.$patch)}; on an item, $patch is "delete" or "replace"`,
      );
  }
  const kept = (before as Record<string, unknown>[]).filter((item) => !gone.has(item[key]));
  return { kept, plain, replace };
}

/**
 * Items that `order` names, in its order, and the others in `serverOrder`, put in front of the first item that they stood in
 * front of there.
 */
export function orderItems(
  items: readonly Item[],
  order: readonly Item[],
  serverOrder: readonly Item[],
  key: string | undefined,
): Item[] {
  const nameOf = (item: Item) => (key === undefined ? item : nameIn(item, key));
  const wanted = placesOf(order, nameOf);
  const stood = placesOf(serverOrder, nameOf);
  const by = (places: Map<unknown, number>) => (a: Item, b: Item) =>
    (places.get(nameOf(a)) ?? 0) - (places.get(nameOf(b)) ?? 0);
  const ordered = items.filter((item) => wanted.has(nameOf(item))).toSorted(by(wanted));
  const others = items.filter((item) => !wanted.has(nameOf(item)));
  // items that never stood anywhere have no place to be sorted to
  if (others.every((item) => stood.has(nameOf(item)))) others.sort(by(stood));
  const result: Item[] = [];
  let i = 0;
  for (const item of ordered) {
    const place = stood.get(nameOf(item));
    while (place !== undefined && i < others.length && (stood.get(nameOf(others[i])) ?? Infinity) < place)
      result.push(others[i++]);
    result.push(item);
  }
  return [...result, ...others.slice(i)];
}

function placesOf(items: readonly Item[], nameOf: (item: Item) => unknown): Map<unknown, number> {
  const places = new Map<unknown, number>();
  for (const [index, item] of items.entries()) if (!places.has(nameOf(item))) places.set(nameOf(item), index);
  return places;
}

export function without(items: readonly Item[], gone: readonly Item[]): Item[] {
  const names = new Set(gone);
  return items.filter((item) => !names.has(item));
}

function distinct(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}

function nameIn(item: unknown, key: string): unknown {
  if (!isObject(item))
    throw StatusError.badRequest(`expected a map with the merge key ${key}, but received ${JSON.stringify(item)}`);
  const name = item[key];
  if (name === undefined)
    throw StatusError.badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
  return name;
}

function kindOf(...lists: (readonly Item[])[]): 'objects' | 'scalars' {
  let kind: 'objects' | 'scalars' | undefined;
  for (const list of lists)
    for (const item of list) {
      if (Array.isArray(item)) throw StatusError.badRequest('lists of lists are not supported');
      const found = isObject(item) ? 'objects' : 'scalars';
      if (kind !== undefined && kind !== found)
        throw StatusError.badRequest(
          'list element types are not identical: a list that merges holds objects or scalars',
        );
      kind = found;
    }
  return kind ?? 'scalars';
}
