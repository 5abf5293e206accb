/** `&&`, `||`, and loops: what may absorb errors. */
import { EvaluationError, fail } from './failure.ts';
import { charge, type Frame, type Run } from './frame.ts';
import { adapt, isList, isMap, listItem, listSize, mapGet, mapKeys, typeOfValue } from './values.ts';

/** The error, when the language may absorb it; what stops the evaluation goes on. */
function absorbed(error: unknown): EvaluationError {
  if (error instanceof EvaluationError) return error;
  throw error;
}

/** Both sides are tried before an error of the left one counts. */
export const and = (left: Run, right: Run): Run => shortCircuit(left, right, false);
export const or = (left: Run, right: Run): Run => shortCircuit(left, right, true);

function shortCircuit(left: Run, right: Run, deciding: boolean): Run {
  return (frame) => {
    let problem: EvaluationError | undefined;
    try {
      const a = left(frame);
      if (a === deciding) return deciding;
      if (typeof a !== 'boolean') problem = new EvaluationError('no such overload');
    } catch (error) {
      problem = absorbed(error);
    }
    if (problem) return rescued(frame, right, deciding, problem);
    const b = right(frame);
    return typeof b === 'boolean' ? b : fail('no such overload');
  };
}

/** The left side failed: the right one may still decide. */
function rescued(frame: Frame, right: Run, deciding: boolean, problem: EvaluationError): boolean {
  try {
    if (right(frame) === deciding) return deciding;
  } catch (error) {
    absorbed(error);
  }
  throw problem;
}

function notIterable(range: unknown): string {
  const { name } = typeOfValue(range);
  return `got 'types.${name.charAt(0).toUpperCase()}${name.slice(1)}', expected iterable type`;
}

interface Items {
  readonly size: number;
  /** Puts item `index` into the variables of the loop. */
  set(frame: Frame, index: number, slot: number, slot2: number | undefined): void;
}

function itemsOf(range: unknown, pairs: boolean): Items {
  if (isList(range)) {
    return {
      size: listSize(range),
      set(frame, index, slot, slot2) {
        const item = listItem(range, index);
        frame.slots[slot] = pairs ? index : item;
        if (slot2 !== undefined) frame.slots[slot2] = item;
      },
    };
  }
  if (!isMap(range)) return fail(notIterable(range));
  const keys = mapKeys(range);
  return {
    size: keys.length,
    set(frame, index, slot, slot2) {
      frame.slots[slot] = keys[index];
      if (slot2 !== undefined) frame.slots[slot2] = mapGet(range, keys[index]);
    },
  };
}

/** What a loop is made of, each part ready to run. */
export interface Loop {
  readonly range: Run;
  readonly slot: number;
  /** With two variables: that of the value, while `slot` is that of the index or the key. */
  readonly slot2: number | undefined;
}

/**
 * `all`, or, when it is true that decides, `exists`: an error counts only when no item decides. Each item costs looking at the
 * accumulator in the condition and in the step; that is counted here, since nothing is done for it.
 */
export function quantifier({ range, slot, slot2 }: Loop, deciding: boolean, predicate: Run): Run {
  const ofCondition = deciding ? 3 : 2;
  return (frame) => {
    const found = range(frame);
    const array = slot2 === undefined && Array.isArray(found) ? (found as unknown[]) : undefined;
    const items = array ? undefined : itemsOf(found, slot2 !== undefined);
    const size = array ? array.length : (items as Items).size;
    let problem: EvaluationError | undefined;
    for (let i = 0; i < size; i++) {
      if (array) frame.slots[slot] = adapt(array[i]);
      else items?.set(frame, i, slot, slot2);
      charge(frame, ofCondition + 1);
      try {
        const holds = predicate(frame);
        if (holds === !deciding) continue;
        if (holds !== deciding) fail('no such overload');
      } catch (error) {
        problem ??= absorbed(error);
        continue;
      }
      frame.cost += i + 1 < size ? ofCondition + 1 : 1;
      return deciding;
    }
    frame.cost += 1;
    if (problem) throw problem;
    return !deciding;
  };
}

/** Any other loop: the accumulator goes from item to item. */
export function fold({ range, slot, slot2 }: Loop, accumulator: number, initial: Run, step: Run, result: Run): Run {
  return (frame) => {
    const items = itemsOf(range(frame), slot2 !== undefined);
    frame.slots[accumulator] = initial(frame);
    for (let i = 0; i < items.size; i++) {
      items.set(frame, i, slot, slot2);
      frame.slots[accumulator] = step(frame);
      charge(frame, 0);
    }
    return result(frame);
  };
}
