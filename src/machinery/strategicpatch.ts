/**
 * Strategic merge patches: like a merge patch, but lists merge by what the schema says (`patchStrategy`, `patchMergeKey`), and
 * directives in the patch delete, replace, order and keep. Neither input is changed; the result shares with both.
 */
import { isObject } from './json.ts';
import { setField } from './jsonpointer.ts';
import { fieldOf, type Schema } from './schema.ts';
import { StatusError } from './status.ts';
import { mergeItems, type Item, type ListRules, orderItems, without } from './strategiclist.ts';

type Fields = Record<string, unknown>;

const directive = '$patch';
const retainKeys = '$retainKeys';
const deleteFrom = '$deleteFromPrimitiveList/';
const elementOrder = '$setElementOrder/';

/** Throws `BadRequest` when the patch does not keep to the format. */
export function applyStrategicPatch(original: unknown, patch: unknown, schema: Schema): Fields {
  if (!isObject(patch)) throw StatusError.badRequest('a strategic merge patch must be an object');
  return mergeFields(isObject(original) ? original : {}, patch, schema);
}

function mergeFields(original: Fields, patch: Fields, schema: Schema | undefined): Fields {
  if (Object.hasOwn(patch, directive)) return wholeBy(patch);
  const result = retained(original, patch);
  const done = new Set<string>([retainKeys]);
  for (const name of Object.keys(patch)) {
    if (!name.startsWith(elementOrder)) continue;
    const list = name.slice(elementOrder.length);
    orderList(result, patch, list, patch[name], fieldOf(schema, list));
    done.add(name).add(list);
  }
  for (const name of Object.keys(patch)) {
    if (!name.startsWith(deleteFrom)) continue;
    deleteFromList(result, name.slice(deleteFrom.length), patch[name]);
    done.add(name);
  }
  for (const name of Object.keys(patch))
    if (!done.has(name)) mergeField(result, name, patch[name], fieldOf(schema, name));
  return result;
}

/** `$patch: replace` and `$patch: delete` on an object. */
function wholeBy(patch: Fields): Fields {
  const { [directive]: what, ...rest } = patch;
  if (what === 'replace') return cleaned(rest) as Fields;
  if (what === 'delete') return {};
  throw StatusError.badRequest(
    `unknown patch type: ${JSON.stringify(what)}; on an object, $patch is "replace" or "delete"`,
  );
}

/** A copy of the original, less what `$retainKeys` does not name. */
function retained(original: Fields, patch: Fields): Fields {
  if (!Object.hasOwn(patch, retainKeys)) return { ...original };
  const list = patch[retainKeys];
  if (!Array.isArray(list))
    throw StatusError.badRequest('invalid patch format of retainKeys: $retainKeys must be a list of names');
  const names = new Set<unknown>(list);
  for (const name of Object.keys(patch)) {
    if (patch[name] === null || names.has(name) || isDirective(name)) continue;
    throw StatusError.badRequest(
      `invalid patch format of retainKeys: the patch sets ${JSON.stringify(name)}, which $retainKeys does not name`,
    );
  }
  return Object.fromEntries(Object.entries(original).filter(([name]) => names.has(name)));
}

function isDirective(name: string): boolean {
  return name === directive || name === retainKeys || name.startsWith(deleteFrom) || name.startsWith(elementOrder);
}

function mergeField(result: Fields, name: string, value: unknown, schema: Schema | undefined): void {
  if (value === null) {
    delete result[name];
    return;
  }
  const before = Object.hasOwn(result, name) ? result[name] : undefined;
  const merged = mergeValues(before, value, schema);
  if (merged === undefined) delete result[name];
  else setField(result, name, merged);
}

/** Undefined: the value was nothing but a directive. */
function mergeValues(before: unknown, value: unknown, schema: Schema | undefined): unknown {
  const strategy = schema?.patchStrategy ?? [];
  if (isObject(before) && isObject(value) && !strategy.includes('replace')) return mergeFields(before, value, schema);
  if (Array.isArray(before) && Array.isArray(value) && strategy.includes('merge'))
    return mergeItems(before, value, rulesOf(schema), before);
  return cleaned(value);
}

function rulesOf(schema: Schema | undefined): ListRules {
  return {
    key: schema?.patchMergeKey,
    merge: (before, patch) => mergeFields(before, patch, schema?.items),
  };
}

/** `$setElementOrder/list`, together with what the patch says of that list. */
function orderList(result: Fields, patch: Fields, name: string, order: unknown, schema: Schema | undefined): void {
  if (!Array.isArray(order))
    throw StatusError.badRequest(`invalid patch format of setElementOrder list: ${elementOrder}${name} must be a list`);
  const before = result[name];
  const value = patch[name];
  if (value === null) {
    delete result[name];
    return;
  }
  for (const list of [before, value])
    if (list !== undefined && !Array.isArray(list))
      throw StatusError.badRequest(`${name}: expected a list, as ${elementOrder}${name} orders it`);
  if (before === undefined && value === undefined) return;
  const rules = rulesOf(schema);
  if (value !== undefined) checkOrder(name, value as Item[], order, rules.key);
  const merged =
    value === undefined ? before : before === undefined ? cleaned(value) : mergeValues(before, value, schema);
  setField(result, name, orderItems(merged as Item[], order, (before ?? []) as Item[], rules.key));
}

/** What the patch adds or changes must stand in the order list, in the same order. */
function checkOrder(name: string, items: readonly Item[], order: readonly Item[], key: string | undefined): void {
  if (order.length === 0 || items.length === 0) return;
  const keyOf = (item: unknown) => (key === undefined ? item : isObject(item) ? item[key] : undefined);
  let at = 0;
  for (const item of items) {
    if (isObject(item) && Object.hasOwn(item, directive)) continue;
    while (at < order.length && keyOf(order[at]) !== keyOf(item)) at++;
    if (at++ >= order.length)
      throw StatusError.badRequest(
        `The order in patch list doesn't match ${elementOrder}${name} list: ${JSON.stringify(keyOf(item))} is not at its place there`,
      );
  }
}

function deleteFromList(result: Fields, name: string, items: unknown): void {
  if (items === null) {
    delete result[name];
    return;
  }
  if (!Array.isArray(items))
    throw StatusError.badRequest(`invalid patch format of primitive list: ${deleteFrom}${name} must be a list`);
  const before = result[name];
  if (Array.isArray(before)) result[name] = without(before, items);
}

/** A value that is taken as it is: without nulls and directives; undefined when it is only a directive. */
function cleaned(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((item) => (item === null ? null : cleaned(item))).filter((item) => item !== undefined);
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, directive)) return undefined;
  const result: Fields = {};
  for (const name of Object.keys(value)) {
    if (isDirective(name) || value[name] === null) continue;
    const kept = cleaned(value[name]);
    if (kept !== undefined) setField(result, name, kept);
  }
  return result;
}
