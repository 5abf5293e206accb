/** Loops with two variables, and what they gather maps with. */
import type { Library } from '../environment.ts';
import { overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { bindMacros, twoVariableMacros } from '../macros.ts';
import { type CelMap, mapGet, mapKey, type Mapping, mapKeys } from '../values.ts';
import { formatValue } from './format.ts';

/** In place: only the loop's own accumulator is passed. */
function insert(map: CelMap, key: unknown, value: unknown): CelMap {
  if (map.entries.has(mapKey(key))) return fail(`insert failed: key ${formatValue(key)} already exists`);
  map.entries.set(mapKey(key), { key, value });
  return map;
}

function insertAll(map: CelMap, more: Mapping): CelMap {
  for (const key of mapKeys(more)) insert(map, key, mapGet(more, key));
  return map;
}

export const twoVariableLibrary: Library = {
  overloads: [
    overload('@mapInsert_map_key_value', 'cel.@mapInsert(map(K, V), K, V) -> map(K, V)', insert),
    overload('@mapInsert_map_map', 'cel.@mapInsert(map(K, V), map(K, V)) -> map(K, V)', insertAll),
  ],
  macros: twoVariableMacros,
};

/** `cel.bind(name, value, result)`. */
export const bindLibrary: Library = { overloads: [], macros: bindMacros };
