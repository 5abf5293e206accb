/** Functions over strings, as cel-go's extension has them in the version that Kubernetes uses. */
import type { Library } from '../environment.ts';
import { type CallCost, overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { sizeOf, traversal, traversalOf } from '../size.ts';
import { codePoints, indexOfText, lastIndexOfText, maxTextLength, sliceText, textSize } from '../text.ts';
import { type Int, type List, listItems } from '../values.ts';
import { formatText } from './format.ts';

const once: CallCost = ([target]) => traversal(sizeOf(target));
const twice: CallCost = ([target]) => traversal(sizeOf(target), 2);
const ofResult: CallCost = (_args, result) => traversal(sizeOf(result), 2);
/** `indexOf` of strings is reckoned as that of lists is. */
const ofSearch: CallCost = ([target]) => traversalOf(target);

function charAt(text: string, at: Int): string {
  const points = codePoints(text);
  if (at < 0 || at > points.length) return fail(`index out of range: ${at}`);
  return points[Number(at)] ?? '';
}

function indexOf(text: string, sought: string, from: Int = 0): Int {
  if (sought === '') return from;
  if (from < 0) return fail(`index out of range: ${from}`);
  return from >= textSize(text) ? -1 : indexOfText(text, sought, Number(from));
}

function lastIndexOf(text: string, sought: string, from?: Int): Int {
  const size = textSize(text);
  if (sought === '') return from ?? size;
  const at = from ?? size - 1;
  if (from !== undefined && from < 0) return fail(`index out of range: ${from}`);
  return at < 0 || at >= size ? -1 : lastIndexOfText(text, sought, Number(at));
}

function replace(text: string, old: string, by: string, times: Int = -1): string {
  const places = old === '' ? text.length + 1 : Math.floor(text.length / old.length);
  const most = times < 0 ? places : Math.min(places, Number(times));
  if (text.length + most * by.length > maxTextLength && (old === '' || grown(text, old, by) > maxTextLength))
    return tooLong();
  if (times < 0 && old !== '') return text.split(old).join(by);
  let left = times < 0 ? Infinity : Number(times);
  if (old === '') {
    const points = [...text];
    return [...points.map((point) => (left-- > 0 ? by + point : point)), left > 0 ? by : ''].join('');
  }
  const parts = text.split(old);
  return parts.reduce((result, part) => result + (left-- > 0 ? by : old) + part);
}

const tooLong = (): never => fail(`the result is longer than ${maxTextLength}`);

function grown(text: string, old: string, by: string): number {
  let length = text.length;
  for (let at = text.indexOf(old); at >= 0; at = text.indexOf(old, at + old.length)) length += by.length - old.length;
  return length;
}

function split(text: string, separator: string, times: Int = -1): string[] {
  if (times === 0) return [];
  const parts = separator === '' ? [...text] : text.split(separator);
  if (times < 0 || parts.length <= times) return parts;
  const kept = parts.slice(0, Number(times) - 1);
  return [...kept, parts.slice(Number(times) - 1).join(separator)];
}

function substring(text: string, start: Int, end?: Int): string {
  const size = textSize(text);
  if (end !== undefined && start > end) return fail(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0 || start > size) return fail(`index out of range: ${start}`);
  if (end !== undefined && (end < 0 || end > size)) return fail(`index out of range: ${end}`);
  return sliceText(text, Number(start), end === undefined ? undefined : Number(end));
}

function join(list: List, separator = ''): string {
  let length = 0;
  for (const item of listItems(list)) {
    if (typeof item !== 'string') return fail(`join: invalid input: ${String(item)}`);
    length += item.length + separator.length;
  }
  return length > maxTextLength ? tooLong() : listItems(list).join(separator);
}

/** What Unicode calls white space, which is not quite what JavaScript does. */
const trimmed =
  /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

const escapes: Record<string, string> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

function quote(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is escaped
  return `"${text.toWellFormed().replace(/[\u0007\b\f\n\r\t\v\\"]/g, (c) => escapes[c] as string)}"`;
}

const lower = (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const upper = (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

export const stringsLibrary: Library = {
  overloads: [
    overload('string_char_at_int', 'string.charAt(int) -> string', charAt),
    overload(
      'string_index_of_string',
      'string.indexOf(string) -> int',
      (a: string, b: string) => indexOf(a, b),
      ofSearch,
    ),
    overload('string_index_of_string_int', 'string.indexOf(string, int) -> int', indexOf, ofSearch),
    overload(
      'string_last_index_of_string',
      'string.lastIndexOf(string) -> int',
      (a: string, b: string) => lastIndexOf(a, b),
      ofSearch,
    ),
    overload('string_last_index_of_string_int', 'string.lastIndexOf(string, int) -> int', lastIndexOf, ofSearch),
    overload('string_lower_ascii', 'string.lowerAscii() -> string', lower, once),
    overload(
      'string_replace_string_string',
      'string.replace(string, string) -> string',
      (a: string, b: string, c: string) => replace(a, b, c),
      twice,
    ),
    overload('string_replace_string_string_int', 'string.replace(string, string, int) -> string', replace, twice),
    overload(
      'string_split_string',
      'string.split(string) -> list(string)',
      (a: string, b: string) => split(a, b),
      twice,
    ),
    overload('string_split_string_int', 'string.split(string, int) -> list(string)', split, twice),
    overload('string_substring_int', 'string.substring(int) -> string', (a: string, b: Int) => substring(a, b), once),
    overload('string_substring_int_int', 'string.substring(int, int) -> string', substring, once),
    overload('string_trim', 'string.trim() -> string', (a: string) => a.replace(trimmed, ''), once),
    overload('string_upper_ascii', 'string.upperAscii() -> string', upper, once),
    overload('string_format', 'string.format(list(dyn)) -> string', formatText, once),
    overload('strings_quote', 'strings.quote(string) -> string', quote, once),
    overload('list_join', 'list(string).join() -> string', (a: List) => join(a), ofResult),
    overload('list_join_string', 'list(string).join(string) -> string', join, ofResult),
  ],
};

/** Younger than Kubernetes' version of the extension. */
export const stringReverse: Library = {
  overloads: [
    overload('string_reverse', 'string.reverse() -> string', (text: string) => [...text].toReversed().join('')),
  ],
};
