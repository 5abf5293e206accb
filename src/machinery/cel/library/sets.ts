/** Lists as sets. */
import { contains } from '../compare.ts';
import type { Library } from '../environment.ts';
import { type CallCost, overload } from '../overload.ts';
import { sizeOf } from '../size.ts';
import { type List, listItems } from '../values.ts';

const ofPairs =
  (factor: number): CallCost =>
  ([a, b]) =>
    1 + sizeOf(a) * sizeOf(b) * factor;
const includesAll = (list: List, others: List) => listItems(others).every((item) => contains(list, item));
const intersects = (a: List, b: List) => listItems(a).some((item) => contains(b, item));

export const setsLibrary: Library = {
  overloads: [
    overload('list_sets_contains_list', 'sets.contains(list(A), list(A)) -> bool', includesAll, ofPairs(1)),
    overload(
      'list_sets_equivalent_list',
      'sets.equivalent(list(A), list(A)) -> bool',
      (a: List, b: List) => includesAll(a, b) && includesAll(b, a),
      ofPairs(2),
    ),
    overload('list_sets_intersects_list', 'sets.intersects(list(A), list(A)) -> bool', intersects, ofPairs(1)),
  ],
};
