/** The rules of an OpenAPI schema, compiled to closures: types, required fields, bounds, patterns, enums and combinations. */
import { canonicalQuantity, cause, equalJson, isObject, type Schema, type StatusCause } from '../machinery/index.ts';
import { formatProblem } from './formats.ts';

/** `old` is what the value was before, where that can be told; `undefined` where it cannot. */
type Rule = (value: unknown, path: string, causes: StatusCause[], old?: unknown) => void;
/** A value is refused with at most so many causes. */
const maxCauses = 100;

const compiled = new WeakMap<Schema, Rule>();

/** What `value` breaks of the schema, each with its field; `path` is where the value is. Types come first: a wrong type is the only cause. */
export function check(schema: Schema, value: unknown, path = ''): StatusCause[] {
  const causes: StatusCause[] = [];
  ruleOf(schema)(value, path, causes);
  return causes.slice(0, maxCauses);
}

/** As `check`, but what was there before, unchanged, passes: a rule that was added later stops nobody from changing something else. */
export function checkChange(schema: Schema, value: unknown, old: unknown, path = ''): StatusCause[] {
  const causes = check(schema, value, path);
  if (causes.length === 0 || old === undefined) return causes;
  const left: StatusCause[] = [];
  ruleOf(schema)(value, path, left, old);
  return left.slice(0, maxCauses);
}

function ruleOf(schema: Schema): Rule {
  const known = compiled.get(schema);
  if (known) return known;
  compiled.set(schema, (value, path, causes, old) => made(value, path, causes, old));
  const made = compile(schema);
  compiled.set(schema, made);
  return made;
}

function compile(schema: Schema): Rule {
  const type = typeRule(schema);
  const rest = [scalarRule(schema), listRule(schema), objectRule(schema), combinationRule(schema)].filter(
    (rule) => rule !== undefined,
  );
  return (value, path, causes, old) => {
    if (value === null && schema.nullable) return;
    if (old !== undefined && equalJson(value, old)) return;
    const before = causes.length;
    type(value, path, causes);
    if (causes.length > before) return;
    for (const rule of rest) rule(value, path, causes, old);
  };
}

const join = (path: string, name: string) => (path === '' ? name : `${path}.${name}`);

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function typeRule({ type, format }: Schema): Rule {
  const wanted = type ?? { 'int-or-string': 'integer,string', quantity: 'integer,string' }[format ?? ''];
  const accepts = (value: unknown): boolean => {
    const is = typeName(value);
    if (format === 'int-or-string') return is === 'integer' || is === 'string';
    if (format === 'quantity') return is === 'string' || is === 'integer' || is === 'number';
    return type === undefined || is === type || (type === 'number' && is === 'integer');
  };
  return (value, path, causes) => {
    if (accepts(value)) return;
    const detail = `${path} in body must be of type ${wanted}: "${typeName(value)}"`;
    causes.push(cause.typeInvalid(path || '<nil>', typeName(value), detail));
  };
}

function scalarRule(schema: Schema): Rule | undefined {
  const rules: Rule[] = [];
  const { enum: values, pattern, format, minLength, maxLength, minimum, maximum, multipleOf } = schema;
  const wrong = (path: string, value: unknown, detail: string) =>
    cause.invalid(path, value, `${path} in body ${detail}`);
  if (values)
    rules.push((value, path, causes) => {
      if (!values.some((allowed) => equalJson(allowed, value))) causes.push(cause.notSupported(path, value, values));
    });
  const text = (test: (value: string) => string | undefined) =>
    rules.push((value, path, causes) => {
      const detail = typeof value === 'string' ? test(value) : undefined;
      if (detail !== undefined) causes.push(wrong(path, value, detail));
    });
  const number = (test: (value: number) => string | undefined) =>
    rules.push((value, path, causes) => {
      const detail = typeof value === 'number' ? test(value) : undefined;
      if (detail !== undefined) causes.push(wrong(path, value, detail));
    });
  if (minLength !== undefined)
    text((v) => (length(v) < minLength ? `should be at least ${minLength} chars long` : undefined));
  if (maxLength !== undefined)
    rules.push((value, path, causes) => {
      if (typeof value === 'string' && length(value) > maxLength) causes.push(cause.tooLong(path, maxLength));
    });
  if (pattern !== undefined) {
    const regexp = patternOf(pattern);
    if (regexp) text((v) => (regexp.test(v) ? undefined : `should match '${pattern}'`));
  }
  if (format === 'quantity') text((v) => (canonicalQuantity(v) === undefined ? 'must be a quantity' : undefined));
  else if (format !== undefined && schema.type === 'string') text((v) => formatProblem(format, v));
  if (format === 'int32') number((v) => (v >= -(2 ** 31) && v < 2 ** 31 ? undefined : 'must be of type int32'));
  if (minimum !== undefined)
    number((v) => {
      if (schema.exclusiveMinimum) return v > minimum ? undefined : `should be greater than ${minimum}`;
      return v >= minimum ? undefined : `should be greater than or equal to ${minimum}`;
    });
  if (maximum !== undefined)
    number((v) => {
      if (schema.exclusiveMaximum) return v < maximum ? undefined : `should be less than ${maximum}`;
      return v <= maximum ? undefined : `should be less than or equal to ${maximum}`;
    });
  if (multipleOf !== undefined)
    number((v) => (Number.isInteger(v / multipleOf) ? undefined : `should be a multiple of ${multipleOf}`));
  return together(rules);
}

/** Characters, not UTF-16 halves. */
function length(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0xd800 && code <= 0xdbff) {
      count--;
      i++;
    }
  }
  return count;
}

/** Go's patterns are nearly JavaScript's; one that cannot be read is not checked. */
function patternOf(pattern: string): RegExp | undefined {
  const inline = /^\(\?([ims]+)\)/.exec(pattern);
  const source = (inline ? pattern.slice(inline[0].length) : pattern)
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\z', '$')
    .replaceAll('\\A', '^');
  for (const flags of ['u', ''])
    try {
      return new RegExp(source, flags + (inline?.[1] ?? ''));
    } catch {
      // The other flags may read it.
    }
  return undefined;
}

function listRule(schema: Schema): Rule | undefined {
  const { items, minItems, maxItems, uniqueItems, listType, listMapKeys } = schema;
  if (!items && minItems === undefined && maxItems === undefined && !uniqueItems) return undefined;
  const item = items && ruleOf(items);
  const oldOf = listType === 'map' ? itemsByKey(listMapKeys ?? [], items) : undefined;
  return (value, path, causes, old) => {
    if (!Array.isArray(value)) return;
    if (minItems !== undefined && value.length < minItems)
      causes.push(cause.invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
    if (maxItems !== undefined && value.length > maxItems) causes.push(cause.tooMany(path, value.length, maxItems));
    if (item)
      for (let i = 0, was = oldOf?.(old); i < value.length && causes.length < maxCauses; i++)
        item(value[i], `${path}[${i}]`, causes, was?.(value[i]));
    if (uniqueItems || listType === 'set') duplicates(value, (entry) => entry, path, causes);
    if (listType === 'map') duplicates(value, (entry) => keysOf(entry, listMapKeys ?? [], items), path, causes);
  };
}

/** Finds, for items of a list now, what they were in the list before. */
function itemsByKey(keys: readonly string[], items: Schema | undefined) {
  const textOf = (item: unknown) => JSON.stringify(keysOf(item, keys, items));
  return (old: unknown): ((item: unknown) => unknown) | undefined => {
    if (!Array.isArray(old)) return undefined;
    const byKey = new Map(old.map((item) => [textOf(item), item]));
    return (item) => byKey.get(textOf(item));
  };
}

function keysOf(entry: unknown, keys: readonly string[], items: Schema | undefined): Record<string, unknown> {
  const object = isObject(entry) ? entry : {};
  return Object.fromEntries(keys.map((key) => [key, object[key] ?? items?.properties?.[key]?.default]));
}

function duplicates(list: unknown[], keyOf: (entry: unknown) => unknown, path: string, causes: StatusCause[]): void {
  const seen = new Set<string>();
  for (const [i, entry] of list.entries()) {
    const key = keyOf(entry);
    const text = JSON.stringify(key);
    if (seen.has(text)) causes.push(cause.duplicate(`${path}[${i}]`, key));
    seen.add(text);
  }
}

function objectRule(schema: Schema): Rule | undefined {
  const { properties, additionalProperties, required = [], minProperties, maxProperties } = schema;
  const any = properties || additionalProperties || required.length > 0 || schema.embeddedResource;
  if (!any && minProperties === undefined && maxProperties === undefined) return undefined;
  const others = additionalProperties && ruleOf(additionalProperties);
  return (value, path, causes, before) => {
    if (!isObject(value)) return;
    const old = isObject(before) ? before : undefined;
    const names = Object.keys(value);
    for (const name of required) if (value[name] === undefined) causes.push(cause.required(join(path, name)));
    if (schema.embeddedResource)
      for (const name of ['apiVersion', 'kind'])
        if (!value[name]) causes.push(cause.required(join(path, name), 'must not be empty'));
    if (minProperties !== undefined && names.length < minProperties)
      causes.push(
        cause.invalid(path, names.length, `${path} in body should have at least ${minProperties} properties`),
      );
    if (maxProperties !== undefined && names.length > maxProperties)
      causes.push(cause.tooMany(path, names.length, maxProperties));
    for (const name of names) {
      if (causes.length >= maxCauses) return;
      const field = properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
      // Published definitions are the decoder's.
      if (field?.ref !== undefined) continue;
      if (field) ruleOf(field)(value[name], join(path, name), causes, old?.[name]);
      else others?.(value[name], join(path, name), causes, old?.[name]);
    }
  };
}

function combinationRule({ allOf, anyOf, oneOf, not }: Schema): Rule | undefined {
  const holds = (schema: Schema, value: unknown, path: string) => {
    const causes: StatusCause[] = [];
    ruleOf(schema)(value, path, causes);
    return causes.length === 0;
  };
  const rules: Rule[] = [];
  const wrong = (path: string, detail: string): StatusCause =>
    cause.invalid(path || '<nil>', '', `${path} in body ${detail}`);
  if (allOf) rules.push((value, path, causes) => allOf.forEach((schema) => ruleOf(schema)(value, path, causes)));
  if (anyOf)
    rules.push((value, path, causes) => {
      if (!anyOf.some((schema) => holds(schema, value, path)))
        causes.push(wrong(path, 'must validate at least one schema (anyOf)'));
    });
  if (oneOf)
    rules.push((value, path, causes) => {
      const count = oneOf.filter((schema) => holds(schema, value, path)).length;
      if (count !== 1)
        causes.push(
          wrong(
            path,
            `must validate one and only one schema (oneOf). Found ${count ? `${count} valid alternatives` : 'none valid'}`,
          ),
        );
    });
  if (not)
    rules.push((value, path, causes) => {
      if (holds(not, value, path)) causes.push(wrong(path, 'must not validate the schema (not)'));
    });
  return together(rules);
}

function together(rules: Rule[]): Rule | undefined {
  if (rules.length === 0) return undefined;
  if (rules.length === 1) return rules[0];
  return (value, path, causes, old) => rules.forEach((rule) => rule(value, path, causes, old));
}
