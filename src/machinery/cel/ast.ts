/** The syntax tree of an expression. The checker writes `type` and `overloads` into it; macros are expanded in it. */
import type { Type } from './types.ts';
import type { Overload } from './overload.ts';

interface Node {
  /** Where it stands in the source, in UTF-16 units; for a call or a selection, its operator. */
  readonly offset: number;
  /** What the checker found. */
  type?: Type;
  /** The macro call that this came from, for printing. */
  written?: Call;
}

export interface Literal extends Node {
  readonly kind: 'literal';
  /** null, boolean, int (number or bigint), Uint, Double, string or Uint8Array. */
  readonly value: unknown;
}

export interface Ident extends Node {
  readonly kind: 'ident';
  name: string;
}

export interface Select extends Node {
  readonly kind: 'select';
  readonly operand: Expr;
  readonly field: string;
  /** `has(operand.field)`. */
  readonly test: boolean;
  /** Set by the checker when the whole chain names a variable or a type: `a.b.c`. */
  qualified?: Ident;
}

export interface Call extends Node {
  readonly kind: 'call';
  name: string;
  /** Absent for a function that is no method, and once the checker found that it names a namespace. */
  target?: Expr;
  readonly args: readonly Expr[];
  overloads?: readonly Overload[];
}

export interface ListExpr extends Node {
  readonly kind: 'list';
  readonly elements: readonly Expr[];
  /** Indices of the elements written `?e`. */
  readonly optionals: readonly number[];
}

export interface MapEntry {
  readonly offset: number;
  readonly key: Expr;
  readonly value: Expr;
  readonly optional: boolean;
}

export interface MapExpr extends Node {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
}

export interface FieldInit {
  readonly offset: number;
  readonly name: string;
  readonly value: Expr;
  readonly optional: boolean;
}

export interface StructExpr extends Node {
  readonly kind: 'struct';
  name: string;
  readonly fields: readonly FieldInit[];
}

/** A loop over a list or a map; what `all`, `exists`, `map` and their like become. */
export interface Comprehension extends Node {
  readonly kind: 'comprehension';
  readonly range: Expr;
  readonly variable: string;
  readonly variable2?: string;
  readonly accumulator: string;
  readonly initial: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

export type Expr = Literal | Ident | Select | Call | ListExpr | MapExpr | StructExpr | Comprehension;

/** The accumulator of the macros; no identifier of a source can be written so. */
export const accumulatorName = '@result';

/** `a.b.c` of a chain of plain selections, or undefined. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name;
  if (expr.kind !== 'select' || expr.test) return undefined;
  const operand = qualifiedName(expr.operand);
  return operand === undefined ? undefined : `${operand}.${expr.field}`;
}
