/** Sizes of values in the reckoning of costs, and what going through them costs. */
import { textSize } from './text.ts';
import {
  isList,
  isMap,
  listItem,
  listSize,
  mapGet,
  mapKeys,
  mapSize,
  Opaque,
  Optional,
  TypedObject,
} from './values.ts';

/** Per character. */
export const traversalFactor = 0.1;
/** Per character of a regular expression. */
export const regexFactor = 0.25;
export const listCost = 10;
export const mapCost = 30;
export const structCost = 40;

/** What `size()` gives; 1 for what has no size. */
export function sizeOf(value: unknown): number {
  if (typeof value === 'string') return textSize(value);
  if (typeof value !== 'object' || value === null) return 1;
  if (isList(value)) return listSize(value);
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof Opaque) return value.size;
  if (value instanceof Optional) return value.value === undefined ? 1 : sizeOf(value.value);
  return isMap(value) || value instanceof TypedObject ? mapSize(value) : 1;
}

export const traversal = (size: number, times = 1): number => Math.ceil(size * times * traversalFactor);

export function regexCost(textLength: number, patternLength: number): number {
  return Math.ceil((1 + textLength) * traversalFactor) * Math.ceil(patternLength * regexFactor);
}

/** Of every string, key and scalar in it. */
export function traversalOf(value: unknown): number {
  if (typeof value === 'string') return Math.floor(utf8Length(value) * traversalFactor);
  if (value instanceof Uint8Array) return Math.floor(value.length * traversalFactor);
  if (isList(value)) {
    let cost = 0;
    for (let i = 0; i < listSize(value); i++) cost += traversalOf(listItem(value, i));
    return cost;
  }
  if (!isMap(value)) return 1;
  let cost = 0;
  for (const key of mapKeys(value)) cost += traversalOf(key) + traversalOf(mapGet(value, key));
  return cost;
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) length += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return length;
}
