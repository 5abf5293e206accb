/** Finds the type of every part of an expression, and which function each call means. */
import {
  type Call,
  type Comprehension,
  type Expr,
  type Ident,
  qualifiedName,
  type Select,
  type StructExpr,
} from './ast.ts';
import type { Environment } from './environment.ts';
import type { Overload } from './overload.ts';
import { SyntaxProblem } from './source.ts';
import {
  boolType,
  bytesType,
  doubleType,
  dynType,
  errorType,
  formatType,
  intType,
  isDyn,
  isOptional,
  listType,
  mapType,
  nullType,
  optionalType,
  paramType,
  sameType,
  stringType,
  type Type,
  typeOf,
  uintType,
  unwrapOptional,
} from './types.ts';
import { mostGeneral, substitute, Unifier } from './unify.ts';
import { Double, Uint } from './values.ts';
import { walk } from './walk.ts';

/** Writes types and overloads into the tree; gives the problems found, none when it is well typed. */
export function check(expr: Expr, environment: Environment): SyntaxProblem[] {
  const checker = new Checker(environment);
  checker.check(expr);
  checker.finish(expr);
  return checker.problems;
}

class Checker {
  readonly problems: SyntaxProblem[] = [];
  readonly #environment: Environment;
  readonly #scopes: Map<string, Type>[] = [];
  readonly #unifier = new Unifier();
  #free = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Replaces what is left of type parameters. */
  finish(expr: Expr): void {
    walk(expr, (node) => {
      if (node.type) node.type = substitute(this.#unifier.bindings, node.type, true);
    });
  }

  #report(offset: number, message: string): Type {
    this.problems.push(new SyntaxProblem(offset, message));
    return errorType;
  }

  check(expr: Expr): Type {
    const type = this.#typeOf(expr);
    expr.type = type;
    return type;
  }

  #typeOf(expr: Expr): Type {
    switch (expr.kind) {
      case 'literal':
        return literalType(expr.value);
      case 'ident':
        return this.#ident(expr);
      case 'select':
        return this.#select(expr);
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

  /** The variable or the type of a name, and its full name. */
  #lookup(name: string): { name: string; type: Type } | undefined {
    for (const full of this.#environment.candidates(name)) {
      for (let i = this.#scopes.length - 1; i >= 0; i--) {
        const local = this.#scopes[i]?.get(full);
        if (local && !name.startsWith('.')) return { name: full, type: local };
      }
      const variable = this.#environment.variables.get(full);
      if (variable) return { name: full, type: variable };
      const type = this.#environment.types.get(full);
      if (type) return { name: full, type: typeOf(type) };
    }
    return undefined;
  }

  #ident(expr: Ident): Type {
    const found = this.#lookup(expr.name);
    if (!found) return this.#undeclared(expr.offset, expr.name);
    if (!this.#isLocal(found.name)) expr.name = found.name;
    return found.type;
  }

  #isLocal(name: string): boolean {
    return this.#scopes.some((scope) => scope.has(name));
  }

  #undeclared(offset: number, name: string): Type {
    const { container } = this.#environment;
    return this.#report(offset, `undeclared reference to '${name.replace(/^\./, '')}' (in container '${container}')`);
  }

  #select(expr: Select): Type {
    const name = qualifiedName(expr);
    const found = name === undefined ? undefined : this.#lookup(name);
    if (found) {
      expr.qualified = { kind: 'ident', name: found.name, offset: expr.offset, type: found.type };
      return found.type;
    }
    const type = this.#field(expr, expr.operand, expr.field, false);
    return expr.test ? boolType : substitute(this.#unifier.bindings, type);
  }

  #field(expr: Expr, operand: Expr, field: string, optional: boolean): Type {
    const operandType = substitute(this.#unifier.bindings, this.check(operand));
    const type = this.#fieldType(expr.offset, unwrapOptional(operandType), field);
    return optional || isOptional(operandType) ? optionalType(type) : type;
  }

  #fieldType(offset: number, target: Type, field: string): Type {
    switch (target.kind) {
      case 'map':
        return target.params[1] as Type;
      case 'struct':
        return target.fields?.get(field)?.type ?? this.#report(offset, `undefined field '${field}'`);
      case 'param':
        this.#unifier.assign(dynType, target);
        return dynType;
      default:
        if (!isDyn(target)) this.#report(offset, `type '${formatType(target)}' does not support field selection`);
        return dynType;
    }
  }

  #call(expr: Call): Type {
    if (expr.name === '_?._') return this.#optionalSelect(expr);
    for (const arg of expr.args) this.check(arg);
    if (!expr.target) {
      const name = this.#functionName(expr.name);
      if (name === undefined) return this.#undeclared(expr.offset, expr.name);
      expr.name = name;
      return this.#resolve(expr);
    }
    const prefix = qualifiedName(expr.target);
    const qualified = prefix === undefined ? undefined : this.#functionName(`${prefix}.${expr.name}`);
    if (qualified !== undefined) {
      expr.name = qualified;
      expr.target = undefined;
      return this.#resolve(expr);
    }
    this.check(expr.target);
    if (!this.#environment.functions.has(expr.name)) return this.#undeclared(expr.offset, expr.name);
    return this.#resolve(expr);
  }

  #functionName(name: string): string | undefined {
    return this.#environment.candidates(name).find((full) => this.#environment.functions.has(full));
  }

  #optionalSelect(expr: Call): Type {
    const [operand, field] = expr.args as [Expr, Expr];
    field.type = stringType;
    const name = field.kind === 'literal' ? String(field.value) : '';
    const overloads = this.#environment.functions.get('_?._');
    if (!overloads) return this.#report(expr.offset, "unsupported syntax '.?'");
    expr.overloads = overloads;
    return substitute(this.#unifier.bindings, this.#field(expr, operand, name, true));
  }

  #resolve(expr: Call): Type {
    const operands = expr.target ? [expr.target, ...expr.args] : expr.args;
    const types = operands.map((operand) => operand.type as Type);
    const found: Overload[] = [];
    let result: Type | undefined;
    for (const overload of this.#environment.functions.get(expr.name) ?? []) {
      if (overload.member !== (expr.target !== undefined)) continue;
      const { params, result: given } = this.#instance(overload);
      if (!this.#unifier.assignAll(types, params)) continue;
      found.push(overload);
      const type = substitute(this.#unifier.bindings, given);
      if (!result) result = type;
      else if (result.kind !== 'dyn' && !sameType(type, result)) result = dynType;
    }
    if (!result) return this.#noOverload(expr, types);
    expr.overloads = found;
    return result;
  }

  #noOverload(expr: Call, types: readonly Type[]): Type {
    const names = types.map((type) => formatType(substitute(this.#unifier.bindings, type, true)));
    const target = expr.target ? `${names.shift()}.` : '';
    return this.#report(
      expr.offset,
      `found no matching overload for '${expr.name}' applied to '${target}(${names.join(', ')})'`,
    );
  }

  /** The overload with type parameters of its own. */
  #instance(overload: Overload): { params: readonly Type[]; result: Type } {
    const fresh = new Map<string, Type>();
    const note = (type: Type): void => {
      if (type.kind === 'param' && !fresh.has(type.name)) fresh.set(type.name, this.#newParam());
      type.params.forEach(note);
    };
    overload.params.forEach(note);
    note(overload.result);
    if (fresh.size === 0) return overload;
    return {
      params: overload.params.map((param) => substitute(fresh, param)),
      result: substitute(fresh, overload.result),
    };
  }

  #newParam(): Type {
    return paramType(`_var${this.#free++}`);
  }

  #list(expr: Expr & { kind: 'list' }): Type {
    let joined: Type | undefined;
    expr.elements.forEach((element, i) => {
      const type = this.check(element);
      joined = this.#join(joined, expr.optionals.includes(i) ? this.#unwrapped(element, type) : type);
    });
    return listType(joined ?? this.#newParam());
  }

  #unwrapped(expr: Expr, type: Type): Type {
    if (!isOptional(type) && !isDyn(type)) this.#mismatch(expr.offset, optionalType(type), type);
    return unwrapOptional(type);
  }

  #mismatch(offset: number, expected: Type, found: Type): Type {
    return this.#report(offset, `expected type '${formatType(expected)}' but found '${formatType(found)}'`);
  }

  #join(previous: Type | undefined, current: Type): Type {
    if (!previous) return current;
    if (this.#unifier.assign(previous, current)) return mostGeneral(previous, current);
    return dynType;
  }

  #map(expr: Expr & { kind: 'map' }): Type {
    let keys: Type | undefined;
    let values: Type | undefined;
    for (const { key, value, optional } of expr.entries) {
      keys = this.#join(keys, this.check(key));
      const type = this.check(value);
      values = this.#join(values, optional ? this.#unwrapped(value, type) : type);
    }
    return mapType(keys ?? this.#newParam(), values ?? this.#newParam());
  }

  #struct(expr: StructExpr): Type {
    const found = this.#lookup(expr.name);
    if (!found) return this.#undeclared(expr.offset, expr.name);
    if (found.type.kind !== 'type') return this.#report(expr.offset, `'${formatType(found.type)}' is not a type`);
    const type = found.type.params[0] as Type;
    if (type.kind !== 'struct') return this.#report(expr.offset, `'${formatType(type)}' is not a message type`);
    expr.name = found.name;
    for (const { name, value, optional, offset } of expr.fields) {
      const given = this.check(value);
      const wanted = type.fields?.get(name)?.type ?? this.#report(offset, `undefined field '${name}'`);
      const actual = optional ? this.#unwrapped(value, given) : given;
      if (this.#unifier.assign(wanted, actual)) continue;
      this.#report(
        offset,
        `expected type of field '${name}' is '${formatType(wanted)}' but provided type is '${formatType(actual)}'`,
      );
    }
    return type;
  }

  #comprehension(expr: Comprehension): Type {
    const range = substitute(this.#unifier.bindings, this.check(expr.range));
    const accumulated = this.check(expr.initial);
    const [first, second] = this.#loopTypes(expr, range);
    this.#scopes.push(new Map([[expr.accumulator, accumulated]]));
    const variables = new Map([[expr.variable, first]]);
    if (expr.variable2 !== undefined) variables.set(expr.variable2, second);
    this.#scopes.push(variables);
    this.#assert(expr.condition, boolType);
    this.#assert(expr.step, accumulated);
    this.#scopes.pop();
    const result = this.check(expr.result);
    this.#scopes.pop();
    return substitute(this.#unifier.bindings, result);
  }

  #assert(expr: Expr, wanted: Type): void {
    const type = this.check(expr);
    if (this.#unifier.assign(wanted, type)) return;
    this.#mismatch(expr.offset, substitute(this.#unifier.bindings, wanted), substitute(this.#unifier.bindings, type));
  }

  /** The types of the variables of a loop. */
  #loopTypes(expr: Comprehension, range: Type): [Type, Type] {
    const [first, second] = range.params as [Type, Type];
    switch (range.kind) {
      case 'list':
        return expr.variable2 === undefined ? [first, first] : [intType, first];
      case 'map':
        return [first, second];
      case 'dyn':
      case 'error':
      case 'param':
        this.#unifier.assign(dynType, range);
        return [dynType, dynType];
      default:
        this.#report(
          expr.range.offset,
          `expression of type '${formatType(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
        );
        return [errorType, errorType];
    }
  }
}

function literalType(value: unknown): Type {
  if (value === null) return nullType;
  if (typeof value === 'boolean') return boolType;
  if (typeof value === 'string') return stringType;
  if (value instanceof Uint) return uintType;
  if (value instanceof Double) return doubleType;
  return value instanceof Uint8Array ? bytesType : intType;
}
