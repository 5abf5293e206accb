/** Lists and maps as expressions write them. */
import { fail } from './failure.ts';
import type { CelMap } from './values.ts';
import { mapKey, Optional } from './values.ts';

export function buildList(items: unknown[], optionals: readonly number[]): unknown[] {
  if (optionals.length === 0) return items;
  return items.flatMap((item, i) => {
    if (!optionals.includes(i)) return [item];
    if (!(item instanceof Optional)) return fail('cannot initialize optional list element from non-optional value');
    return item.value === undefined ? [] : [item.value];
  });
}

export function unwrapEntry(name: string, value: unknown): unknown {
  if (!(value instanceof Optional)) return fail(`cannot initialize optional entry '${name}' from non-optional value`);
  return value.value;
}

export function putEntry(map: CelMap, key: unknown, value: unknown, optional: boolean): void {
  const given = optional ? unwrapEntry(String(key), value) : value;
  if (given === undefined) map.entries.delete(mapKey(key));
  else map.entries.set(mapKey(key), { key, value: given });
}
