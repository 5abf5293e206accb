/**
 * The most that an expression can cost, from the sizes that its schema allows: what decides whether a rule may be written at
 * all. Counted as upstream counts it, since a rule that is accepted there must be accepted here, and the other way round.
 */
import { accumulatorName, type Call, type Comprehension, type Expr } from './ast.ts';
import { addRange, fixed, largest, multiply, type Range, scaled, union, unknownSize } from './range.ts';
import { listCost, mapCost, structCost, traversalFactor } from './size.ts';
import { extend, noPath, type Path, pathOf, stepsOf } from './path.ts';
import { SizedType } from './schematype.ts';
import { textSize } from './text.ts';
import type { Program } from './program.ts';
import type { Type } from './types.ts';
import { callEstimate, type EstimateNode } from './callestimate.ts';

/** What is known of the entries of a list or a map made in the expression. */
interface Entries {
  readonly container: 'list' | 'map';
  readonly key: Range;
  readonly value: Range;
}

interface Local {
  readonly path: Path | undefined;
  readonly size?: Range;
  readonly entries?: Entries;
}

/** The least and the most that one evaluation costs; the most is 2^64 when nothing bounds it. */
export function estimateCost({ expr, environment }: Program): Range {
  return new Estimator(environment.variables).cost(expr);
}

/** What one estimated cost may be. */
export const estimatedCostLimit = 10_000_000;
/** What all rules of one definition may cost together. */
export const estimatedTotalLimit = 100_000_000;

/** How a cost beyond its limit is refused; `what` is for example `estimated rule cost`. */
export function costMessage(what: string, cost: number, limit: number): string {
  const times = cost / limit;
  const factor = times > 100 ? 'more than 100x' : times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

const scalarKinds = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);

function scalar(type: Type): boolean {
  if (type.kind === 'opaque' && type.name === 'optional_type') return scalar(type.params[0] as Type);
  return scalarKinds.has(type.kind);
}

class Estimator {
  readonly #variables: ReadonlyMap<string, Type>;
  readonly #paths = new Map<Expr, Path>();
  readonly #sizes = new Map<Expr, Range>();
  readonly #entries = new Map<Expr, Entries>();
  readonly #locals = new Map<string, Local[]>();

  /** Upstream takes every name that is no variable for the outermost object; so do we, since rules are accepted by it. */
  readonly #root: Type | undefined;

  constructor(variables: ReadonlyMap<string, Type>) {
    this.#variables = variables;
    this.#root = [...variables.values()].find((type) => type instanceof SizedType);
  }

  cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'literal':
        return fixed(0);
      case 'ident':
        return this.#ident(expr, expr.name);
      case 'select':
        return this.#select(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return expr.fields.reduce((sum, { value }) => addRange(sum, this.cost(value)), fixed(structCost));
      case 'comprehension':
        return isBind(expr) ? this.#bind(expr) : this.#comprehension(expr);
    }
  }

  #local(name: string): Local | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  #push(name: string, local: Local): void {
    const known = this.#locals.get(name);
    if (known) known.push(local);
    else this.#locals.set(name, [local]);
  }

  #ident(expr: Expr, name: string): Range {
    const local = this.#local(name);
    const path = local ? local.path : pathOf(name);
    if (path) this.#paths.set(expr, path);
    return fixed(1);
  }

  #pathOf(expr: Expr): Path {
    if (expr.kind === 'ident') {
      const local = this.#local(expr.name);
      if (local) return local.path ?? noPath;
    }
    return this.#paths.get(expr) ?? noPath;
  }

  #select(expr: Expr & { kind: 'select' }): Range {
    if (expr.qualified) return this.#ident(expr, expr.qualified.name);
    const operand = this.cost(expr.operand);
    if (expr.test) return operand;
    this.#paths.set(expr, extend(this.#pathOf(expr.operand), expr.field));
    const counted = ['map', 'struct', 'param'].includes((expr.operand.type as Type).kind);
    return counted ? addRange(operand, fixed(1)) : operand;
  }

  #call(expr: Call): Range {
    if (expr.name === 'dyn') {
      const [arg] = expr.args as [Expr];
      const cost = addRange(fixed(1), this.cost(arg));
      this.#copy(expr, arg);
      return cost;
    }
    const costs = expr.args.map((arg) => this.cost(arg));
    const args = expr.args.map((arg) => this.#node(arg));
    const own = expr.target ? this.cost(expr.target) : fixed(0);
    const target = expr.target ? this.#node(expr.target) : undefined;
    let total: Range = { min: largest, max: 0 };
    let size: Range | undefined;
    for (const { id } of expr.overloads ?? []) {
      const found = this.#overload(expr, id, target, args, costs);
      total = union(total, found.cost);
      if (found.size) size = size ? union(size, found.size) : found.size;
      const [first] = expr.args as [Expr];
      if (id === 'index_list' || id === 'index_map') {
        size = this.#entriesOf(first)?.value;
        this.#paths.set(expr, extend(this.#pathOf(first), id === 'index_list' ? '@items' : '@values'));
      }
      size ??= this.#size(expr);
    }
    if (!expr.overloads?.length) return fixed(0);
    if (size) this.#sizes.set(expr, size);
    return addRange(own, total);
  }

  #overload(
    expr: Call,
    id: string,
    target: EstimateNode | undefined,
    args: EstimateNode[],
    costs: Range[],
  ): { cost: Range; size?: Range } {
    const sum = costs.reduce(addRange, fixed(0));
    const given = callEstimate(expr.name, id, target, args);
    if (given) return { cost: addRange(given.cost, sum), size: given.size };
    const sizeOf = (index: number) => this.#sizeOrUnknown(expr.args[index] as Expr);
    const [a, b, c] = costs as [Range, Range, Range];
    switch (id) {
      case 'logical_or':
      case 'logical_and':
        return { cost: { min: a.min, max: addRange(a, b).max } };
      case 'conditional': {
        const [, yes, no] = expr.args as [Expr, Expr, Expr];
        const left = this.#entriesOf(yes);
        const right = this.#entriesOf(no);
        if (left && right)
          this.#entries.set(expr, { ...left, key: union(left.key, right.key), value: union(left.value, right.value) });
        return { cost: addRange(a, union(b, c)), size: union(sizeOf(1), sizeOf(2)) };
      }
      case 'add_string':
      case 'add_bytes':
      case 'add_list': {
        const size = addRange(sizeOf(0), sizeOf(1));
        const [first, second] = expr.args.map((arg) => this.#entriesOf(arg)) as [Entries?, Entries?];
        if (first && second) {
          this.#entries.set(expr, {
            ...first,
            key: union(first.key, second.key),
            value: union(first.value, second.value),
          });
        }
        const own = id === 'add_list' ? fixed(1) : scaled(size, traversalFactor);
        return { cost: addRange(own, sum), size };
      }
      default:
        if (/^(less|greater)(_equals)?_(string|bytes)$|^(not_)?equals$/.test(id)) {
          const max = Math.min(sizeOf(0).max, sizeOf(1).max);
          return { cost: addRange(scaled({ min: max > 0 ? 1 : 0, max }, traversalFactor), sum) };
        }
        return { cost: addRange(fixed(1), sum) };
    }
  }

  #list(expr: Expr & { kind: 'list' }): Range {
    let sum = fixed(listCost);
    let value: Range = { min: expr.elements.length === 0 ? 0 : largest, max: 0 };
    for (const element of expr.elements) {
      sum = addRange(sum, this.cost(element));
      value = union(value, this.#sizeOrUnknown(element));
    }
    this.#entries.set(expr, { container: 'list', key: fixed(1), value });
    return sum;
  }

  #map(expr: Expr & { kind: 'map' }): Range {
    let sum = fixed(mapCost);
    const least = expr.entries.length === 0 ? 0 : largest;
    let keys: Range = { min: least, max: 0 };
    let values: Range = { min: least, max: 0 };
    for (const { key, value } of expr.entries) {
      sum = addRange(addRange(sum, this.cost(key)), this.cost(value));
      keys = union(keys, this.#sizeOrUnknown(key));
      values = union(values, this.#sizeOrUnknown(value));
    }
    this.#entries.set(expr, { container: 'map', key: keys, value: values });
    return sum;
  }

  #bind(expr: Comprehension): Range {
    const sum = addRange(this.cost(expr.range), this.cost(expr.initial));
    this.#pushValue(expr.accumulator, expr.initial);
    const result = this.cost(expr.result);
    this.#locals.get(expr.accumulator)?.pop();
    this.#copy(expr, expr.result);
    return addRange(sum, result);
  }

  #pushValue(name: string, expr: Expr): void {
    this.#push(name, { path: this.#pathOf(expr), size: this.#size(expr), entries: this.#entriesOf(expr) });
  }

  #comprehension(expr: Comprehension): Range {
    let sum = addRange(this.cost(expr.range), this.cost(expr.initial));
    this.#pushValue(expr.accumulator, expr.initial);
    this.#pushLoop(expr);
    const each = addRange(this.cost(expr.condition), this.cost(expr.step));
    const stepEntries = this.#entriesOf(expr.step);
    this.#locals.get(expr.variable)?.pop();
    if (expr.variable2 !== undefined) this.#locals.get(expr.variable2)?.pop();
    sum = addRange(sum, this.cost(expr.result));
    this.#locals.get(expr.accumulator)?.pop();
    const count = this.#sizeOrUnknown(expr.range);
    if (expr.initial.kind === 'literal') {
      const size = this.#size(expr.initial);
      if (size) this.#sizes.set(expr, size);
    } else if (expr.initial.kind === 'list' || expr.initial.kind === 'map') {
      this.#sizes.set(expr, count);
      if (stepEntries) this.#entries.set(expr, stepEntries);
    }
    return addRange(sum, multiply(count, each));
  }

  #pushLoop(expr: Comprehension): void {
    const entries = this.#entriesOf(expr.range);
    const isList = (entries?.container ?? (expr.range.type as Type).kind) === 'list';
    const path = this.#pathOf(expr.range);
    if (expr.variable2 !== undefined) {
      this.#push(expr.variable, { path: extend(path, isList ? '@indices' : '@keys'), size: entries?.key });
      this.#push(expr.variable2, { path: extend(path, isList ? '@items' : '@values'), size: entries?.value });
    } else {
      const size = isList ? entries?.value : entries?.key;
      this.#push(expr.variable, { path: extend(path, isList ? '@items' : '@keys'), size });
    }
  }

  #node(expr: Expr): EstimateNode {
    const known = this.#pathOf(expr);
    const path = known.length > 0 && known.steps[0] === accumulatorName ? noPath : known;
    return {
      type: expr.type as Type,
      literal: expr.kind === 'literal' ? expr.value : undefined,
      size: this.#size(expr),
      itemSize: () => this.#schemaSize([...stepsOf(path), '@items']),
      hasPath: path.length > 0,
    };
  }

  #copy(to: Expr, from: Expr): void {
    const size = this.#size(from);
    if (size) this.#sizes.set(to, size);
    const entries = this.#entriesOf(from);
    if (entries) this.#entries.set(to, entries);
  }

  #sizeOrUnknown(expr: Expr): Range {
    return this.#size(expr) ?? unknownSize;
  }

  #size(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr) ?? writtenSize(expr) ?? this.#schemaSizeAt(expr);
    if (known) return known;
    if (expr.type && scalar(expr.type)) return fixed(1);
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined;
  }

  #entriesOf(expr: Expr): Entries | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entries : undefined);
  }

  /** What the schema says of where the expression stands; remembered, since the place may change under it. */
  #schemaSizeAt(expr: Expr): Range | undefined {
    const size = this.#schemaSize(stepsOf(this.#pathOf(expr)));
    if (size) this.#sizes.set(expr, size);
    return size;
  }

  /** What the schema says of the place. */
  #schemaSize([variable, ...steps]: readonly string[]): Range | undefined {
    let type = variable === undefined ? undefined : (this.#variables.get(variable) ?? this.#root);
    if (type?.kind === 'opaque' && type.name === 'optional_type') type = type.params[0];
    for (const step of steps) {
      if (!type) return undefined;
      if (step === '@items' || step === '@values')
        type = type.kind === 'list' ? type.params[0] : type.kind === 'map' ? type.params[1] : undefined;
      else if (step === '@keys') type = type.kind === 'map' ? type.params[0] : undefined;
      else type = type.fields?.get(step)?.type;
    }
    return type instanceof SizedType ? { min: 0, max: type.maxElements } : undefined;
  }
}

function isBind(expr: Comprehension): boolean {
  return (
    expr.range.kind === 'list' &&
    expr.range.elements.length === 0 &&
    expr.condition.kind === 'literal' &&
    expr.condition.value === false &&
    expr.accumulator !== accumulatorName
  );
}

/** Of what is written out in the expression. */
function writtenSize(expr: Expr): Range | undefined {
  if (expr.kind === 'list') return fixed(expr.elements.length);
  if (expr.kind === 'map') return fixed(expr.entries.length);
  if (expr.kind !== 'literal') return undefined;
  if (typeof expr.value === 'string') return fixed(textSize(expr.value));
  return fixed(expr.value instanceof Uint8Array ? expr.value.length : 1);
}
