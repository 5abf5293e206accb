/**
 * A checked expression as closures. Costs are counted as upstream counts them while it evaluates: a variable, a field and an
 * index are one each, a constant is free, and so is what can be worked out before (a list of constants, `duration('1h')`).
 */
import {
  accumulatorName,
  type Call,
  type Comprehension,
  type Expr,
  type Ident,
  type MapExpr,
  type StructExpr,
} from './ast.ts';
import { type Access, accessOf, indexValue, optionalIndex, selectOptional } from './access.ts';
import { equal } from './compare.ts';
import type { Environment } from './environment.ts';
import type { Overload } from './overload.ts';
import { BudgetExceeded, EvaluationError, fail } from './failure.ts';
import { charge, type Frame, type Run } from './frame.ts';
import { conversionNames } from './library/conversions.ts';
import { regexOf, RegexError } from './regex/index.ts';
import { listCost, mapCost, regexCost, sizeOf, structCost, traversal } from './size.ts';
import { InstantiationProblem } from './source.ts';
import { formatType, type Type } from './types.ts';
import {
  CelMap,
  Double,
  hasType,
  isList,
  isMap,
  type List,
  listItem,
  listItems,
  listSize,
  mapGet,
  mapKey,
  mapKeys,
  none,
  Opaque,
  Optional,
  StructValue,
  typeOfValue,
} from './values.ts';

export interface Code {
  readonly run: Run;
  /** Set when the value is known before. */
  readonly constant?: { readonly value: unknown };
}

interface Local {
  readonly slot: number;
  /** Computes it when it is first read. */
  readonly lazy?: Run;
}

const pending = Symbol('pending');

/** Makes the code of one expression, and says which variables of the environment it reads. */
export class Coder {
  readonly environment: Environment;
  /** Name to slot. */
  readonly globals = new Map<string, number>();
  slots = 0;
  readonly #locals: [string, Local][] = [];

  constructor(environment: Environment) {
    this.environment = environment;
  }

  code(expr: Expr): Code {
    switch (expr.kind) {
      case 'literal':
        return constant(expr.value);
      case 'ident':
      case 'select':
        return this.#attribute(expr, 1);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return this.#struct(expr);
      case 'comprehension':
        return this.#comprehension(expr);
    }
  }

  run(expr: Expr): Run {
    return this.code(expr).run;
  }

  /** As part of a larger access: the access as a whole costs one, which is not counted here. */
  #part(expr: Expr): Code {
    return isAttribute(expr) ? this.#attribute(expr, 0) : this.code(expr);
  }

  /** A variable, a field or an element; `base` is what the access as a whole costs. */
  #attribute(expr: Expr, base: number): Code {
    if (expr.kind === 'ident') return this.#ident(expr, base);
    if (expr.kind === 'select') {
      if (expr.qualified) return this.#ident(expr.qualified, base);
      return expr.test ? this.#has(expr.operand, expr.field) : { run: this.#field(expr, base) };
    }
    if (expr.kind === 'call') {
      if (expr.name === '_?_:_') return { run: this.#conditional(expr) };
      return { run: this.#indexed(expr, base) };
    }
    return this.code(expr);
  }

  #local(name: string): Local | undefined {
    for (let i = this.#locals.length - 1; i >= 0; i--) if (this.#locals[i]?.[0] === name) return this.#locals[i]?.[1];
    return undefined;
  }

  #ident({ name, type }: Ident, base: number): Code {
    const local = this.#local(name);
    if (local) return { run: readLocal(local, base) };
    if (!this.environment.variables.has(name)) return constant(type?.params[0] ?? type);
    let slot = this.globals.get(name);
    if (slot === undefined) {
      slot = this.slots++;
      this.globals.set(name, slot);
    }
    return { run: readGlobal(name, slot, base) };
  }

  /** The operand of a selection or an index: with what the access costs before the last step. */
  #operand(expr: Expr, base: number): Run {
    if (isAttribute(expr)) return this.#attribute(expr, expr.kind === 'call' && expr.name === '_?_:_' ? 0 : base).run;
    const { run } = this.code(expr);
    if (base === 0) return run;
    return (frame) => {
      frame.cost += base;
      return run(frame);
    };
  }

  #field(expr: Expr & { kind: 'select' }, base: number): Run {
    const access = accessOf(expr.operand.type as Type, expr.field);
    const { operand } = expr;
    if (access.optional) {
      const inner = this.#operand(operand, base);
      return (frame) => optionalStep(frame, selectOptional(inner(frame), expr.field));
    }
    if (operand.kind === 'ident') {
      const slot = this.#plainSlot(operand);
      if (slot !== undefined) return slotField(slot, base + 1, access);
    }
    const inner = this.#operand(operand, base);
    const { get } = access;
    return (frame) => {
      const value = inner(frame);
      frame.cost += 1;
      return get(value);
    };
  }

  /** The slot of a variable that is there whenever it is read. */
  #plainSlot(expr: Ident): number | undefined {
    const local = this.#local(expr.name);
    return local && !local.lazy ? local.slot : undefined;
  }

  #has(operand: Expr, field: string): Code {
    const inner = this.#operand(operand, 0);
    const { has } = accessOf(operand.type as Type, field);
    const run: Run = (frame) => {
      const value = inner(frame);
      frame.cost += 1;
      return has(value);
    };
    return { run };
  }

  #indexed({ name, args }: Call, base: number): Run {
    const [target, index] = args as [Expr, Expr];
    const operand = this.#operand(target, base);
    if (name === '_?._') {
      const field = String((index as { value?: unknown }).value);
      return (frame) => optionalStep(frame, selectOptional(operand(frame), field));
    }
    const at = this.#part(index).run;
    if (name === '_[?_]') return (frame) => optionalStep(frame, optionalIndex(operand(frame), at(frame)));
    return (frame) => {
      const value = operand(frame);
      const key = at(frame);
      if (value instanceof Optional) return optionalStep(frame, optionalIndex(value, key));
      frame.cost += 1;
      return indexValue(value, key);
    };
  }

  #call(expr: Call): Code {
    switch (expr.name) {
      case '_&&_':
        return { run: and(this.run(expr.args[0] as Expr), this.run(expr.args[1] as Expr)) };
      case '_||_':
        return { run: or(this.run(expr.args[0] as Expr), this.run(expr.args[1] as Expr)) };
      case '_?_:_':
        return { run: this.#conditional(expr) };
      case '_[_]':
      case '_[?_]':
      case '_?._':
        return this.#attribute(expr, 1);
      case 'or':
      case 'orValue':
        if (expr.overloads?.[0]?.implementation === undefined && expr.target) return { run: this.#orElse(expr) };
        break;
      case '_+_': {
        const appended = this.#append(expr);
        if (appended) return { run: appended };
      }
    }
    return this.#function(expr);
  }

  #conditional({ args }: Call): Run {
    const condition = this.run(args[0] as Expr);
    const yes = this.#part(args[1] as Expr).run;
    const no = this.#part(args[2] as Expr).run;
    return (frame) => {
      const chosen = condition(frame);
      if (chosen === true) return yes(frame);
      return chosen === false ? no(frame) : fail('no such overload');
    };
  }

  #orElse({ name, target, args }: Call): Run {
    const first = this.run(target as Expr);
    const second = this.run(args[0] as Expr);
    const unwrap = name === 'orValue';
    return (frame) => {
      const value = first(frame);
      if (!(value instanceof Optional)) return fail('no such overload');
      if (value.value === undefined) return second(frame);
      return unwrap ? value.value : value;
    };
  }

  #function(expr: Call): Code {
    const operands = (expr.target ? [expr.target, ...expr.args] : expr.args).map((arg) => this.code(arg));
    const special = this.#specialised(expr, operands);
    if (special) return special;
    const overloads = this.#candidates(expr);
    const run = callOf(expr.name, overloads, operands);
    if (!conversionNames.has(expr.name) || operands.length !== 1 || !operands[0]?.constant) return { run };
    return folded(run, expr);
  }

  /** The overloads that a call may mean once its values are known. */
  #candidates(expr: Call): readonly Overload[] {
    const member = expr.target !== undefined;
    const count = expr.args.length + (member ? 1 : 0);
    const all = this.environment.functions.get(expr.name) ?? [];
    const fitting = all.filter((one) => one.member === member && one.params.length === count && one.implementation);
    const found = expr.overloads ?? [];
    return [...found.filter((one) => one.implementation), ...fitting.filter((one) => !found.includes(one))];
  }

  /** Calls that are frequent, or that can be prepared. */
  #specialised(expr: Call, operands: readonly Code[]): Code | undefined {
    const [a, b] = operands as [Code, Code];
    switch (expr.name) {
      case '_==_':
        return { run: equality(a, b, true) };
      case '_!=_':
        return { run: equality(a, b, false) };
      case '_<_':
      case '_<=_':
      case '_>_':
      case '_>=_':
        return { run: ordering(expr.name, a, b, callOf(expr.name, this.#candidates(expr), [held(0), held(1)])) };
      case '@in':
        return expr.overloads?.length === 1 && expr.overloads[0]?.id === 'in_list' && b.constant
          ? membership(a, b.constant.value as List)
          : undefined;
      case 'matches':
        return typeof b?.constant?.value === 'string' ? { run: prepared(expr, a, b.constant.value) } : undefined;
      case 'find':
      case 'findAll':
        if (typeof b?.constant?.value === 'string') checkPattern(expr, b.constant.value);
        return undefined;
      default:
        return undefined;
    }
  }

  #list(expr: Expr & { kind: 'list' }): Code {
    const elements = expr.elements.map((element) => this.code(element));
    const { optionals } = expr;
    if (elements.every((element) => element.constant)) {
      return constant(
        buildList(
          elements.map((element) => element.constant?.value),
          optionals,
        ),
      );
    }
    const runs = elements.map(({ run }) => run);
    return {
      run: (frame) => {
        const items = runs.map((run) => run(frame));
        charge(frame, listCost);
        return buildList(items, optionals);
      },
    };
  }

  #map(expr: MapExpr): Code {
    const entries = expr.entries.map(({ key, value, optional }) => ({
      key: this.code(key),
      value: this.code(value),
      optional,
    }));
    const build: Run = (frame) => {
      const map = new CelMap();
      for (const { key, value, optional } of entries) putEntry(map, key.run(frame), value.run(frame), optional);
      return map;
    };
    if (entries.every(({ key, value }) => key.constant && value.constant)) {
      const value = build({ slots: [], cost: 0, limit: Infinity });
      return constant(value);
    }
    return {
      run: (frame) => {
        const map = build(frame);
        charge(frame, mapCost);
        return map;
      },
    };
  }

  #struct(expr: StructExpr): Code {
    const type = expr.type as Type;
    const fields = expr.fields.map(({ name, value, optional }) => ({ name, run: this.run(value), optional }));
    return {
      run: (frame) => {
        const values = new Map<string, unknown>();
        for (const { name, run, optional } of fields) {
          const value = optional ? unwrapEntry(name, run(frame)) : run(frame);
          if (value !== undefined) values.set(name, value);
        }
        charge(frame, structCost);
        return new StructValue(type, values);
      },
    };
  }

  #scoped<T>(locals: [string, Local][], make: () => T): T {
    this.#locals.push(...locals);
    const made = make();
    this.#locals.length -= locals.length;
    return made;
  }

  #comprehension(expr: Comprehension): Code {
    if (expr.condition.kind === 'literal' && expr.condition.value === false) return { run: this.#bind(expr) };
    if (expr.condition.kind === 'call' && expr.condition.name === '@not_strictly_false') {
      return { run: this.#quantifier(expr) };
    }
    return { run: this.#fold(expr) };
  }

  #bind(expr: Comprehension): Run {
    const lazy = this.run(expr.initial);
    const slot = this.slots++;
    const result = this.#scoped([[expr.accumulator, { slot, lazy }]], () => this.run(expr.result));
    return (frame) => {
      frame.slots[slot] = pending;
      return result(frame);
    };
  }

  #loopVariables(expr: Comprehension): [string, Local][] {
    const first: [string, Local] = [expr.variable, { slot: this.slots++ }];
    return expr.variable2 === undefined ? [first] : [first, [expr.variable2, { slot: this.slots++ }]];
  }

  /** `all` and `exists`: an error counts only when no item decides. */
  #quantifier(expr: Comprehension): Run {
    const range = this.run(expr.range);
    const step = expr.step as Call;
    const deciding = step.name === '_||_';
    const variables = this.#loopVariables(expr);
    const predicate = this.#scoped(variables, () => this.run(step.args[1] as Expr));
    const [slot, slot2] = variables.map(([, local]) => local.slot) as [number, number | undefined];
    const each = deciding ? 4 : 3;
    return (frame) => {
      const items = itemsOf(range(frame), slot2 !== undefined);
      let problem: EvaluationError | undefined;
      for (let i = 0; i < items.size; i++) {
        items.set(frame, i, slot, slot2);
        charge(frame, each);
        let found: unknown;
        try {
          found = predicate(frame);
          if (typeof found !== 'boolean') fail('no such overload');
        } catch (error) {
          problem ??= absorbed(error);
          continue;
        }
        if (found !== deciding) continue;
        if (i + 1 < items.size) frame.cost += each - 1;
        frame.cost += 1;
        return deciding;
      }
      frame.cost += 1;
      if (problem) throw problem;
      return !deciding;
    };
  }

  #fold(expr: Comprehension): Run {
    const range = this.run(expr.range);
    const initial = freshOf(expr.initial) ?? this.run(expr.initial);
    const accumulator = this.slots++;
    const variables = this.#loopVariables(expr);
    const own: [string, Local] = [expr.accumulator, { slot: accumulator }];
    this.#appending.push(freshOf(expr.initial) !== undefined);
    const step = this.#scoped([own, ...variables], () => this.run(expr.step));
    this.#appending.pop();
    const result = this.#scoped([own], () => this.run(expr.result));
    const [slot, slot2] = variables.map(([, local]) => local.slot) as [number, number | undefined];
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

  /** Whether the innermost accumulator is a list or a map of its own, to which items may be added in place. */
  readonly #appending: boolean[] = [];

  /** `accumulator + [item]`, in place. */
  #append(expr: Call): Run | undefined {
    const [left, right] = expr.args as [Expr, Expr];
    if (left.kind !== 'ident' || left.name !== accumulatorName || !this.#appending.at(-1)) return undefined;
    if (right.kind !== 'list' || right.elements.length !== 1 || right.optionals.length > 0) return undefined;
    const slot = this.#local(accumulatorName)?.slot;
    if (slot === undefined) return undefined;
    const item = this.code(right.elements[0] as Expr);
    const cost = 2 + (item.constant ? 0 : listCost);
    return (frame) => {
      const value = item.run(frame);
      frame.cost += cost;
      const list = frame.slots[slot] as unknown[];
      list.push(value);
      return list;
    };
  }
}

const constant = (value: unknown): Code => ({ run: () => value, constant: { value } });

/** An operand that the caller has put into the frame's last slots. */
const held = (index: number): Code => ({ run: (frame) => frame.slots[index] });

function isAttribute(expr: Expr): boolean {
  if (expr.kind === 'ident') return true;
  if (expr.kind === 'select') return !expr.test;
  return expr.kind === 'call' && ['_[_]', '_[?_]', '_?._', '_?_:_'].includes(expr.name);
}

function freshOf(expr: Expr): Run | undefined {
  if (expr.kind === 'list' && expr.elements.length === 0) return () => [];
  return expr.kind === 'map' && expr.entries.length === 0 ? () => new CelMap() : undefined;
}

function readLocal({ slot, lazy }: Local, base: number): Run {
  if (!lazy) {
    return (frame) => {
      frame.cost += base;
      return frame.slots[slot];
    };
  }
  return (frame) => {
    frame.cost += base;
    const value = frame.slots[slot];
    if (value !== pending) return value;
    return (frame.slots[slot] = lazy(frame));
  };
}

function readGlobal(name: string, slot: number, base: number): Run {
  return (frame) => {
    frame.cost += base;
    const value = frame.slots[slot];
    return value === undefined ? fail(`no such attribute(s): ${name}`) : value;
  };
}

function slotField(slot: number, cost: number, { get }: Access): Run {
  return (frame) => {
    frame.cost += cost;
    return get(frame.slots[slot]);
  };
}

/** An optional step counts only when it finds something. */
function optionalStep(frame: Frame, found: Optional): Optional {
  if (found.value !== undefined) frame.cost += 1;
  return found;
}

/** The error, when the language may absorb it; what stops the evaluation goes on. */
function absorbed(error: unknown): EvaluationError {
  if (error instanceof EvaluationError) return error;
  throw error;
}

function and(left: Run, right: Run): Run {
  return (frame) => {
    let problem: EvaluationError | undefined;
    try {
      const a = left(frame);
      if (a === false) return false;
      if (a !== true) problem = new EvaluationError('no such overload');
    } catch (error) {
      problem = absorbed(error);
    }
    const b = right(frame);
    if (b === false) return false;
    if (problem) throw problem;
    return b === true ? true : fail('no such overload');
  };
}

function or(left: Run, right: Run): Run {
  return (frame) => {
    let problem: EvaluationError | undefined;
    try {
      const a = left(frame);
      if (a === true) return true;
      if (a !== false) problem = new EvaluationError('no such overload');
    } catch (error) {
      problem = absorbed(error);
    }
    const b = right(frame);
    if (b === true) return true;
    if (problem) throw problem;
    return b === false ? false : fail('no such overload');
  };
}

function equality(a: Code, b: Code, wanted: boolean): Run {
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

function ordering(name: string, a: Code, b: Code, general: Run): Run {
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

/** `x in [constants]`, which costs nothing but x. Undefined when the constants are not all scalars. */
function membership(a: Code, list: List): Code | undefined {
  const items = listItems(list);
  const scalar = (item: unknown) =>
    ['string', 'number', 'bigint', 'boolean'].includes(typeof item) || item instanceof Double;
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

function checkPattern(expr: Call, pattern: string): void {
  try {
    regexOf(pattern);
  } catch (error) {
    if (error instanceof RegexError) throw new InstantiationProblem(expr.offset, error.message);
    throw error;
  }
}

function prepared(expr: Call, text: Code, pattern: string): Run {
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
function folded(run: Run, expr: Call): Code {
  try {
    return constant(run({ slots: [], cost: 0, limit: Infinity }));
  } catch (error) {
    if (error instanceof EvaluationError) throw new InstantiationProblem(expr.offset, error.message);
    throw error;
  }
}

function noOverload(name: string, args: readonly unknown[]): string {
  if (/^[_!-]|^(contains|startsWith|endsWith|matches)$/.test(name)) return 'no such overload';
  if (name === 'size') return 'no such overload: size';
  return `no such overload: ${name}(${args.map((arg) => formatType(typeOfValue(arg)).replace(/\(.*/, '')).join(', ')})`;
}

function accepts({ params }: Overload, a: unknown, b: unknown, c: unknown): boolean {
  const count = params.length;
  return (
    (count < 1 || hasType(a, params[0] as Type)) &&
    (count < 2 || hasType(b, params[1] as Type)) &&
    (count < 3 || hasType(c, params[2] as Type))
  );
}

/** A call of whichever overload fits the values. */
function callOf(name: string, overloads: readonly Overload[], operands: readonly Code[]): Run {
  const [first, second, third] = operands.map(({ run }) => run);
  const [only] = overloads;
  if (operands.length > 3)
    return manyCall(
      name,
      overloads,
      operands.map(({ run }) => run),
    );
  return (frame) => {
    const a = first?.(frame);
    const b = second?.(frame);
    const c = third?.(frame);
    let chosen = only;
    if (!chosen || !accepts(chosen, a, b, c)) {
      chosen = overloads.find((one) => accepts(one, a, b, c));
      if (!chosen) {
        frame.cost += 1;
        return fail(noOverload(name, [a, b, c].slice(0, operands.length)));
      }
    }
    if (!chosen.cost) {
      frame.cost += 1;
      return chosen.implementation?.(a, b, c);
    }
    const result = chosen.implementation?.(a, b, c);
    charge(frame, chosen.cost([a, b, c], result));
    return result;
  };
}

function manyCall(name: string, overloads: readonly Overload[], operands: readonly Run[]): Run {
  return (frame) => {
    const args = operands.map((run) => run(frame));
    const chosen = overloads.find(({ params }) => params.every((param, i) => hasType(args[i], param)));
    if (!chosen) return fail(noOverload(name, args));
    const result = chosen.implementation?.(...args);
    charge(frame, chosen.cost ? chosen.cost(args, result) : 1);
    return result;
  };
}

function buildList(items: unknown[], optionals: readonly number[]): unknown[] {
  if (optionals.length === 0) return items;
  return items.flatMap((item, i) => {
    if (!optionals.includes(i)) return [item];
    if (!(item instanceof Optional)) return fail('cannot initialize optional list element from non-optional value');
    return item.value === undefined ? [] : [item.value];
  });
}

function unwrapEntry(name: string, value: unknown): unknown {
  if (!(value instanceof Optional)) return fail(`cannot initialize optional entry '${name}' from non-optional value`);
  return value.value;
}

function putEntry(map: CelMap, key: unknown, value: unknown, optional: boolean): void {
  const given = optional ? unwrapEntry(String(key), value) : value;
  if (given === undefined) map.entries.delete(mapKey(key));
  else map.entries.set(mapKey(key), { key, value: given });
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

export { BudgetExceeded, none };
