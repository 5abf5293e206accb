/**
 * A checked expression as closures. Costs are counted as upstream counts them while it evaluates: a variable, a field and an
 * index are one each, a constant is free, and so is what can be worked out before (a list of constants, `duration('1h')`).
 */
import { type Access, accessOf, indexValue, optionalIndex, selectOptional } from './access.ts';
import {
  accumulatorName,
  type Call,
  type Comprehension,
  type Expr,
  type Ident,
  type MapExpr,
  type StructExpr,
} from './ast.ts';
import { callOf, checkPattern, equality, folded, held, membership, ordering, prepared } from './calls.ts';
import { buildList, putEntry, unwrapEntry } from './construct.ts';
import type { Environment } from './environment.ts';
import { fail } from './failure.ts';
import { charge, type Code, constant, type Frame, type Run } from './frame.ts';
import { conversionNames } from './library/conversions.ts';
import { and, fold, type Loop, or, quantifier } from './logic.ts';
import type { Overload } from './overload.ts';
import { listCost, mapCost, structCost } from './size.ts';
import type { Type } from './types.ts';
import { CelMap, type List, Optional, StructValue } from './values.ts';

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
    const declared = this.environment.functions.get(expr.name) ?? [];
    const fitting = declared.filter(
      (one) => one.member === member && one.params.length === count && one.implementation,
    );
    const found = expr.overloads ?? [];
    const all = [...found.filter((one) => one.implementation), ...fitting.filter((one) => !found.includes(one))];
    return found.length > 1 && nominalWhenUnclear.has(expr.name)
      ? all.map((one) => ({ ...one, cost: undefined }))
      : all;
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
    return quantifier(loopOf(range, variables), deciding, predicate);
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
    return fold(loopOf(range, variables), accumulator, initial, step, result);
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

/** Their cost depends on the overload; while it is not clear from types which one is meant, they cost one. */
const nominalWhenUnclear = new Set(
  '_+_ _<_ _<=_ _>_ _>=_ @in string bytes sort @sortByAssociatedKeys flatten'.split(' '),
);

function loopOf(range: Run, variables: readonly [string, Local][]): Loop {
  return { range, slot: variables[0]?.[1].slot as number, slot2: variables[1]?.[1].slot };
}

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
