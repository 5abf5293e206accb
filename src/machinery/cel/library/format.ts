/** `'%s of %d'.format([a, b])`. */
import type { Expr } from '../ast.ts';
import { formatDouble } from '../arithmetic.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes.ts';
import { EvaluationError, fail } from '../failure.ts';
import { maxTextLength } from '../text.ts';
import { formatDuration, formatTimestamp } from '../time.ts';
import { formatType, Type } from '../types.ts';
import {
  Double,
  Duration,
  isList,
  isMap,
  type List,
  listItem,
  listSize,
  mapGet,
  mapKeys,
  Timestamp,
  typeOfValue,
  Uint,
} from '../values.ts';

interface Clause {
  readonly letter: string;
  readonly precision: number | undefined;
}

/** The text between clauses, and the clauses; `%%` is a percent sign. */
function clausesOf(format: string): (string | Clause)[] {
  const parts: (string | Clause)[] = [];
  let plain = '';
  for (let at = 0; at < format.length; at++) {
    const c = format[at] as string;
    if (c !== '%') {
      plain += c;
      continue;
    }
    if (++at >= format.length) fail('unexpected end of string');
    if (format[at] === '%') {
      plain += '%';
      continue;
    }
    const shape = /(?:\.(\d*))?(.)?/suy;
    shape.lastIndex = at;
    const match = shape.exec(format) as RegExpExecArray;
    const [, precision, letter] = match;
    if (precision === '') fail('error while parsing precision: could not convert precision to integer');
    if (letter === undefined) fail('unexpected end of string');
    if (!/^[sdfebxXo]$/.test(letter as string))
      fail(`could not parse formatting clause: unrecognized formatting clause "${letter}"`);
    parts.push(plain, { letter: letter as string, precision: precision === undefined ? undefined : Number(precision) });
    plain = '';
    at = shape.lastIndex - 1;
  }
  return [...parts, plain];
}

export function formatText(format: string, args: List): string {
  let used = 0;
  let text = '';
  for (const part of clausesOf(format)) {
    if (typeof part === 'string') text += part;
    else if (used >= listSize(args)) return fail(`index ${used} out of range`);
    else text += formatClause(part, listItem(args, used++));
    if (text.length > maxTextLength) return fail(`the result is longer than ${maxTextLength}`);
  }
  return text;
}

function formatClause({ letter, precision }: Clause, value: unknown): string {
  switch (letter) {
    case 's':
      return formatValue(value);
    case 'd':
      return decimal(value);
    case 'f':
      return floating(value, letter, (number) => grouped(number, precision ?? 6));
    case 'e':
      return floating(value, letter, (number) => scientific(number, precision ?? 6));
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : inBase(value, 2, letter);
    case 'o':
      return inBase(value, 8, letter);
    default: {
      const text = hexadecimal(value);
      return letter === 'X' ? text.toUpperCase() : text;
    }
  }
}

const wanted: Record<string, string> = {
  s: 'strings, bools, integers, doubles, bytes, lists, types, maps, durations and timestamps',
  d: 'integers',
  f: 'doubles',
  e: 'doubles',
  b: 'integers and bools',
  x: 'integers, byte buffers, and strings',
  o: 'integers',
};
const clauseNames: Record<string, string> = {
  s: 'string',
  d: 'decimal',
  f: 'fixed-point',
  e: 'scientific',
  b: 'binary',
  x: 'hex',
  o: 'octal',
};

function refusal(letter: string, type: string): string {
  const clause = letter.toLowerCase();
  const verb =
    clause === 'd' || clause === 'o' || clause === 'x' || clause === 's'
      ? 'clause can only be used on'
      : 'clause can only be used on';
  return `error during formatting: ${clauseNames[clause]} ${verb} ${wanted[clause]}, was given ${type}`;
}

const refuse = (letter: string, value: unknown): never => fail(refusal(letter, typeOfValue(value).name));

function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return BigInt(value);
  return value instanceof Uint ? value.value : undefined;
}

function decimal(value: unknown): string {
  const integer = integerOf(value);
  return integer === undefined ? refuse('d', value) : String(integer);
}

function inBase(value: unknown, base: number, letter: string): string {
  const integer = integerOf(value);
  return integer === undefined ? refuse(letter, value) : integer.toString(base);
}

function hexadecimal(value: unknown): string {
  const bytes = typeof value === 'string' ? encodeUtf8(value) : value;
  if (bytes instanceof Uint8Array) return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return inBase(value, 16, 'x');
}

const special: Record<string, number> = { NaN: Number.NaN, Infinity, '-Infinity': -Infinity };

function floating(value: unknown, letter: string, write: (value: number) => string): string {
  const named = typeof value === 'string' ? special[value] : undefined;
  const number = named ?? (value instanceof Double ? value.value : undefined);
  if (number === undefined) return refuse(letter, value);
  if (Number.isNaN(number)) return 'NaN';
  return Number.isFinite(number) ? write(number) : number > 0 ? '∞' : '-∞';
}

/** With commas between thousands, as in English. */
function grouped(number: number, precision: number): string {
  const [whole, fraction] = exactFixed(number, precision).split('.') as [string, string?];
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (fraction === undefined ? '' : `.${fraction}`);
}

function exactFixed(number: number, precision: number): string {
  if (precision > 100) return fail('precision out of range');
  if (Math.abs(number) < 1e21) return halfToEven(number, precision);
  return BigInt(number).toString() + (precision > 0 ? `.${'0'.repeat(precision)}` : '');
}

/** `toFixed` takes the larger of two that are equally near; here it is the even one. */
function halfToEven(number: number, precision: number): string {
  const exact = number.toFixed(Math.min(100, precision + 25));
  const point = exact.indexOf('.');
  const cut = point + 1 + precision;
  if (!/^50*$/.test(exact.slice(cut))) return number.toFixed(precision);
  const kept = exact.slice(0, precision === 0 ? point : cut);
  return Number(kept.at(-1)) % 2 === 0 ? kept : number.toFixed(precision);
}

function scientific(number: number, precision: number): string {
  if (precision > 100) return fail('precision out of range');
  const [mantissa, exponent] = number.toExponential(precision).split('e') as [string, string];
  const power = Number(exponent);
  const sign = power < 0 ? '⁻' : '';
  const digits = [...String(Math.abs(power)).padStart(2, '0')].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('');
  return `${mantissa}×10${sign}${digits}`;
}

/** What `%s` makes of a value. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value === null) return 'null';
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Double) return formatDouble(value.value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value.nanos);
  if (value instanceof Type) return value.name;
  if (value instanceof Uint8Array) return decodeUtf8(value) ?? fail('invalid UTF-8 in bytes, cannot convert to string');
  if (isList(value)) {
    return `[${Array.from({ length: listSize(value) }, (_, i) => formatNested(listItem(value, i))).join(', ')}]`;
  }
  if (!isMap(value)) return refuse('s', value);
  const entries = mapKeys(value).map((key) => [formatKey(key), formatNested(mapGet(value, key))] as const);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${key}:${item}`).join(', ')}}`;
}

function formatKey(key: unknown): string {
  if (typeof key === 'object' && !(key instanceof Uint))
    return fail(`no formatting function for map key of type ${typeOfValue(key).name}`);
  return formatNested(key);
}

function formatNested(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `b${JSON.stringify(formatValue(value))}`;
  if (value instanceof Double) {
    if (!Number.isFinite(value.value)) return JSON.stringify(formatValue(value));
    return grouped(value.value, 6);
  }
  if (value instanceof Timestamp) return `timestamp(${JSON.stringify(formatValue(value))})`;
  return value instanceof Duration ? `duration(${JSON.stringify(formatValue(value))})` : formatValue(value);
}

const kinds: Record<string, readonly string[]> = {
  s: ['string', 'int', 'uint', 'double', 'bool', 'bytes', 'null', 'list', 'map', 'type', 'timestamp', 'duration'],
  d: ['int', 'uint'],
  f: ['double', 'string'],
  e: ['double', 'string'],
  b: ['int', 'uint', 'bool'],
  x: ['int', 'uint', 'string', 'bytes'],
  X: ['int', 'uint', 'string', 'bytes'],
  o: ['int', 'uint'],
};

/** What is wrong with a format written in the expression, and with which argument. */
export function formatProblem(format: string, args: readonly Expr[]): { message: string; element?: Expr } | undefined {
  try {
    const clauses = clausesOf(format).filter((part) => typeof part !== 'string');
    for (const [i, { letter }] of clauses.entries()) {
      const element = args[i];
      if (!element) return { message: `index ${i} out of range` };
      const type = element.type as Type;
      if (type.kind === 'dyn' || kinds[letter]?.includes(type.kind)) continue;
      return { message: refusal(letter, formatType(type)), element };
    }
    if (args.length <= clauses.length) return undefined;
    return { message: `too many arguments supplied to string.format (expected ${clauses.length}, got ${args.length})` };
  } catch (error) {
    if (error instanceof EvaluationError) return { message: error.message };
    throw error;
  }
}
