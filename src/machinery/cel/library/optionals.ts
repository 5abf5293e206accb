/** Values that may be missing: `a.?b.orValue(1)`. */
import type { Library } from '../environment.ts';
import { overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { optionalMacros } from '../macros.ts';
import { opaqueType, parseType } from '../types.ts';
import {
  CelMap,
  Double,
  Duration,
  isList,
  isMap,
  type List,
  listItem,
  listItems,
  listSize,
  mapSize,
  none,
  Optional,
  StructValue,
  Timestamp,
  Uint,
} from '../values.ts';

const first = (list: List) => (listSize(list) === 0 ? none : new Optional(listItem(list, 0)));
const last = (list: List) => (listSize(list) === 0 ? none : new Optional(listItem(list, listSize(list) - 1)));

const unwrap = (list: List) =>
  listItems(list).flatMap((item) => {
    if (!(item instanceof Optional)) return fail('value is not optional');
    return item.value === undefined ? [] : [item.value];
  });

export function isZero(value: unknown): boolean {
  if (value === null || value === false || value === 0 || value === '') return true;
  if (typeof value !== 'object') return false;
  if (isList(value)) return listSize(value) === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Double) return value.value === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.seconds === -62135596800 && value.nanos === 0;
  if (value instanceof Optional) return value.value === undefined || isZero(value.value);
  if (value instanceof StructValue) return value.fields.size === 0;
  return (isMap(value) || value instanceof CelMap) && mapSize(value) === 0;
}

export const optionalLibrary: Library = {
  overloads: [
    overload('optional_of', 'optional.of(A) -> optional(A)', (value: unknown) => new Optional(value)),
    overload('optional_ofNonZeroValue', 'optional.ofNonZeroValue(A) -> optional(A)', (value: unknown) =>
      isZero(value) ? none : new Optional(value),
    ),
    overload('optional_none', 'optional.none() -> optional(A)', () => none),
    overload('optional_value', 'optional(A).value() -> A', ({ value }: Optional) =>
      value === undefined ? fail('optional.none() dereference') : value,
    ),
    overload('optional_hasValue', 'optional(A).hasValue() -> bool', ({ value }: Optional) => value !== undefined),
    overload('optional_or_optional', 'optional(A).or(optional(A)) -> optional(A)'),
    overload('optional_orValue_value', 'optional(A).orValue(A) -> A'),
    overload('select_optional_field', '_?._(dyn, string) -> optional(A)'),
    overload('list_optindex_optional_int', '_[?_](list(A), int) -> optional(A)'),
    overload('optional_list_optindex_optional_int', '_[?_](optional(list(A)), int) -> optional(A)'),
    overload('map_optindex_optional_value', '_[?_](map(A, B), A) -> optional(B)'),
    overload('optional_map_optindex_optional_value', '_[?_](optional(map(A, B)), A) -> optional(B)'),
    overload('optional_list_index_int', '_[_](optional(list(A)), int) -> optional(A)'),
    overload('optional_map_index_value', '_[_](optional(map(A, B)), A) -> optional(B)'),
    overload('list_last', 'list(A).last() -> optional(A)', last),
    overload('list_first', 'list(A).first() -> optional(A)', first),
    overload('optional_unwrap', 'optional.unwrap(list(optional(A))) -> list(A)', unwrap),
    overload('optional_unwrapOpt', 'list(optional(A)).unwrapOpt() -> list(A)', unwrap),
  ],
  types: [opaqueType('optional_type', parseType('dyn'))],
  macros: optionalMacros,
};
