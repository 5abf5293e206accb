/** What every template may call: Go's own functions, those of the Sprig collection that Stages use, and KWOK's `Quote` and `YAML`. */
import { dump } from 'js-yaml';
import type { TemplateFunctions } from './parser.ts';
import { TemplateError } from './tokens.ts';
import { asText, isTrue, type Value } from './values.ts';

function index(value: Value, ...keys: Value[]): Value {
  let found: any = value;
  for (const key of keys) {
    if (found === null || found === undefined) return undefined;
    if (Array.isArray(found) && !(Number(key) in found))
      throw new TemplateError(`index ${String(key)} is out of a list of ${found.length}`);
    found = Object.hasOwn(Object(found), key as string) ? found[key as string] : undefined;
  }
  return found;
}

function lengthOf(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value !== null && typeof value === 'object') return Object.keys(value).length;
  if (value === undefined || value === null) return 0;
  throw new TemplateError(`len of ${JSON.stringify(value)}`);
}

const equal = (a: Value, b: Value) => a === b || ((a ?? undefined) === undefined && (b ?? undefined) === undefined);

function order(a: any, b: any): number {
  if (typeof a !== typeof b)
    throw new TemplateError(`${JSON.stringify(a)} and ${JSON.stringify(b)} are not comparable`);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Spaces go between arguments that are both no strings, as Go has it. */
function print(...args: Value[]): string {
  return args
    .map((one, i) => {
      const apart = i > 0 && typeof one !== 'string' && typeof args[i - 1] !== 'string';
      return (apart ? ' ' : '') + asText(one);
    })
    .join('');
}

function printf(format: string, ...args: Value[]): string {
  let next = 0;
  return format.replace(/%([-0+ ]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g, (_, flags: string, width: string, digits, verb) => {
    if (verb === '%') return '%';
    const text = formatted(args[next++], verb as string, digits as string | undefined);
    const pad = Number(width || 0);
    if (flags.includes('-')) return text.padEnd(pad);
    return text.padStart(pad, flags.includes('0') && verb !== 's' ? '0' : ' ');
  });
}

function formatted(value: Value, verb: string, digits: string | undefined): string {
  switch (verb) {
    case 's':
    case 'v':
      return asText(value);
    case 'd':
      return String(Math.trunc(Number(value)));
    case 'f':
      return Number(value).toFixed(digits === undefined ? 6 : Number(digits));
    case 'q':
      return JSON.stringify(asText(value));
    case 't':
      return String(value);
    case 'x':
      return typeof value === 'number' ? value.toString(16) : Buffer.from(asText(value)).toString('hex');
    default:
      throw new TemplateError(`printf: %${verb} is not supported: use %s, %v, %d, %f, %q, %t or %x`);
  }
}

function quote(value: Value): string {
  const text = JSON.stringify(value ?? null);
  return text.startsWith('"') ? text : JSON.stringify(text);
}

function yaml(value: Value, indent = 0): string {
  const text = dump(value ?? null, { noRefs: true, lineWidth: -1 });
  return indent > 0 ? `\n${text}`.replaceAll('\n', `\n${' '.repeat(indent * 2)}`) : text;
}

const indent = (spaces: number, text: Value) => asText(text).replace(/^/gm, ' '.repeat(spaces));
const whole = (value: Value) => Math.trunc(Number(value)) || 0;
const text = (value: Value) => (value === null || value === undefined ? '' : asText(value));

function dict(...pairs: Value[]): Record<string, Value> {
  const made: Record<string, Value> = {};
  for (let i = 0; i < pairs.length; i += 2) made[text(pairs[i])] = pairs[i + 1] ?? '';
  return made;
}

const go: TemplateFunctions = {
  not: (value) => !isTrue(value),
  eq: (first, ...others) => others.some((one) => equal(first, one)),
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => order(a, b) < 0,
  le: (a, b) => order(a, b) <= 0,
  gt: (a, b) => order(a, b) > 0,
  ge: (a, b) => order(a, b) >= 0,
  index,
  slice: (value, from = 0, to = undefined) => value.slice(from, to),
  len: lengthOf,
  print,
  println: (...args) => `${args.map(asText).join(' ')}\n`,
  printf,
};

const sprig: TemplateFunctions = {
  default: (fallback, value) => (isTrue(value) ? value : fallback),
  coalesce: (...values) => values.find(isTrue),
  empty: (value) => !isTrue(value),
  ternary: (yes, no, test) => (isTrue(test) ? yes : no),
  quote: (...values) => values.map((one) => JSON.stringify(text(one))).join(' '),
  squote: (...values) => values.map((one) => `'${text(one)}'`).join(' '),
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  trim: (value) => text(value).trim(),
  trimPrefix: (prefix, value) => (text(value).startsWith(prefix) ? text(value).slice(prefix.length) : text(value)),
  trimSuffix: (suffix, value) => (text(value).endsWith(suffix) ? text(value).slice(0, -suffix.length) : text(value)),
  trunc: (length, value) => (length < 0 ? text(value).slice(length) : text(value).slice(0, length)),
  replace: (from, to, value) => text(value).replaceAll(from, to),
  contains: (part, value) => text(value).includes(part),
  hasPrefix: (prefix, value) => text(value).startsWith(prefix),
  hasSuffix: (suffix, value) => text(value).endsWith(suffix),
  repeat: (times, value) => text(value).repeat(Math.min(whole(times), 10_000)),
  indent,
  nindent: (spaces, value) => `\n${indent(spaces, value)}`,
  list: (...values) => values,
  dict,
  get: (from, key) => index(from, key) ?? '',
  hasKey: (from, key) => Object.hasOwn(Object(from), key),
  keys: (from) => Object.keys(from),
  first: (values) => values?.[0],
  last: (values) => values?.at(-1),
  rest: (values) => values.slice(1),
  has: (value, values) => (values ?? []).includes(value),
  join: (by, values) => (Array.isArray(values) ? values.map(text).join(by) : text(values)),
  splitList: (by, value) => text(value).split(by),
  until: (count) => Array.from({ length: Math.min(whole(count), 10_000) }, (_, i) => i),
  add: (...values) => values.reduce((sum, one) => sum + whole(one), 0),
  add1: (value) => whole(value) + 1,
  sub: (a, b) => whole(a) - whole(b),
  mul: (...values) => values.reduce((product, one) => product * whole(one), 1),
  div: (a, b) => Math.trunc(whole(a) / whole(b)),
  mod: (a, b) => whole(a) % whole(b),
  min: (...values) => Math.min(...values.map(whole)),
  max: (...values) => Math.max(...values.map(whole)),
  int: whole,
  int64: whole,
  float64: Number,
  atoi: whole,
  toString: text,
  toJson: (value) => JSON.stringify(value ?? null),
  fromJson: (value) => JSON.parse(text(value)) as Value,
  b64enc: (value) => Buffer.from(text(value)).toString('base64'),
  b64dec: (value) => Buffer.from(text(value), 'base64').toString(),
};

export const standardFunctions: TemplateFunctions = { ...go, ...sprig, Quote: quote, YAML: yaml };
