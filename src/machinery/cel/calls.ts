/** Calls of functions, and the operators that are functions, too. */
import type { Call } from './ast.ts';
import { equal } from './compare.ts';
import { EvaluationError, fail } from './failure.ts';
import { charge, type Code, constant, type Frame, type Run } from './frame.ts';
import type { Overload } from './overload.ts';
import { regexOf, RegexError } from './regex/index.ts';
import { regexCost, sizeOf, traversal } from './size.ts';
import { InstantiationProblem } from './source.ts';
import { formatType, type Type } from './types.ts';
import { Double, hasType, type List, listItems, mapKey, Opaque, typeOfValue, Uint } from './values.ts';

function noOverload(name: string, args: readonly unknown[]): string {
  if (/^[_!-]|^(contains|startsWith|endsWith|matches)$/.test(name)) return 'no such overload';
  if (name === 'size') return 'no such overload: size';
  return `no such overload: ${name}(${args.map((arg) => formatType(typeOfValue(arg)).replace(/\(.*/, '')).join(', ')})`;
}

/** A call of whichever overload fits the values. */
export function callOf(name: string, overloads: readonly Overload[], operands: readonly Code[]): Run {
  const runs = operands.map(({ run }) => run);
  const [first, second] = runs as [Run, Run];
  const [only] = overloads;
  if (!only || runs.length === 0 || runs.length > 2) return manyCall(name, overloads, runs);
  return runs.length === 1 ? unaryCall(name, overloads, only, first) : binaryCall(name, overloads, only, first, second);
}

function unaryCall(name: string, overloads: readonly Overload[], only: Overload, operand: Run): Run {
  const wanted = only.params[0] as Type;
  const { implementation, cost } = only;
  return (frame) => {
    const a = operand(frame);
    if (!implementation || !hasType(a, wanted)) return chosenCall(frame, name, overloads, [a]);
    if (cost) {
      const result = implementation(a);
      charge(frame, cost([a], result));
      return result;
    }
    frame.cost += 1;
    return implementation(a);
  };
}

function binaryCall(name: string, overloads: readonly Overload[], only: Overload, left: Run, right: Run): Run {
  const [wanted, other] = only.params as [Type, Type];
  const { implementation, cost } = only;
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    if (!implementation || !hasType(a, wanted) || !hasType(b, other)) return chosenCall(frame, name, overloads, [a, b]);
    if (cost) {
      const result = implementation(a, b);
      charge(frame, cost([a, b], result));
      return result;
    }
    frame.cost += 1;
    return implementation(a, b);
  };
}

function manyCall(name: string, overloads: readonly Overload[], operands: readonly Run[]): Run {
  return (frame) =>
    chosenCall(
      frame,
      name,
      overloads,
      operands.map((run) => run(frame)),
    );
}

function chosenCall(frame: Frame, name: string, overloads: readonly Overload[], args: readonly unknown[]): unknown {
  const chosen = overloads.find(({ params }) => params.every((param, i) => hasType(args[i], param)));
  if (!chosen?.cost) frame.cost += 1;
  if (!chosen) return fail(noOverload(name, args));
  const result = chosen.implementation?.(...args);
  if (chosen.cost) charge(frame, chosen.cost(args, result));
  return result;
}

/** An operand that the caller has put into the frame's last slots. */
export const held = (index: number): Code => ({ run: (frame) => frame.slots[index] });

export function equality(a: Code, b: Code, wanted: boolean): Run {
  const left = a.run;
  const right = b.run;
  return (frame) => {
    const x = left(frame);
    const y = right(frame);
    if (typeof x === 'number' && typeof y === 'number') {
      frame.cost += 1;
      return (x === y) === wanted;
    }
    frame.cost += x instanceof Opaque ? 1 : traversal(Math.min(sizeOf(x), sizeOf(y)));
    return equal(x, y) === wanted;
  };
}

export function ordering(name: string, a: Code, b: Code, general: Run): Run {
  const left = a.run;
  const right = b.run;
  const slow = (frame: Frame, x: unknown, y: unknown): unknown => {
    const inner: Frame = { slots: [x, y], cost: frame.cost, limit: frame.limit };
    const result = general(inner);
    frame.cost = inner.cost;
    return result;
  };
  const numbers: Record<string, Run> = {
    '_<_': (frame) => {
      const x = left(frame);
      const y = right(frame);
      if (typeof x !== 'number' || typeof y !== 'number') return slow(frame, x, y);
      frame.cost += 1;
      return x < y;
    },
    '_<=_': (frame) => {
      const x = left(frame);
      const y = right(frame);
      if (typeof x !== 'number' || typeof y !== 'number') return slow(frame, x, y);
      frame.cost += 1;
      return x <= y;
    },
    '_>_': (frame) => {
      const x = left(frame);
      const y = right(frame);
      if (typeof x !== 'number' || typeof y !== 'number') return slow(frame, x, y);
      frame.cost += 1;
      return x > y;
    },
    '_>=_': (frame) => {
      const x = left(frame);
      const y = right(frame);
      if (typeof x !== 'number' || typeof y !== 'number') return slow(frame, x, y);
      frame.cost += 1;
      return x >= y;
    },
  };
  return numbers[name] as Run;
}

const scalar = (item: unknown) =>
  ['string', 'number', 'bigint', 'boolean'].includes(typeof item) || item instanceof Double || item instanceof Uint;

/** `x in [constants]`, which costs nothing but x. Undefined when the constants are not all scalars. */
export function membership(a: Code, list: List): Code | undefined {
  const items = listItems(list);
  if (items.length === 0) return constant(false);
  if (!items.every(scalar)) return undefined;
  const keys = new Set(items.map(mapKey));
  const { run } = a;
  return {
    run: (frame) => {
      const value = run(frame);
      return (
        keys.has(typeof value === 'object' ? mapKey(value) : value) ||
        items.some((item) => item instanceof Double && equal(item, value))
      );
    },
  };
}

export function checkPattern(expr: Call, pattern: string): void {
  try {
    regexOf(pattern);
  } catch (error) {
    if (error instanceof RegexError) throw new InstantiationProblem(expr.offset, error.message);
    throw error;
  }
}

export function prepared(expr: Call, text: Code, pattern: string): Run {
  checkPattern(expr, pattern);
  const regex = regexOf(pattern);
  const { run } = text;
  const patternSize = sizeOf(pattern);
  const fixed = expr.target === undefined;
  return (frame) => {
    const value = run(frame);
    if (typeof value !== 'string') return fail(noOverload(expr.name, [value, pattern]));
    charge(frame, fixed ? 1 : regexCost(sizeOf(value), patternSize));
    return regex.test(value);
  };
}

/** A call whose value is known before. */
export function folded(run: Run, expr: Call): Code {
  try {
    return constant(run({ slots: [], cost: 0, limit: Infinity }));
  } catch (error) {
    if (error instanceof EvaluationError) throw new InstantiationProblem(expr.offset, error.message);
    throw error;
  }
}
