/** From source to something that can be evaluated, again and again. */
import type { Expr } from './ast.ts';
import { check } from './checker.ts';
import { Coder } from './code.ts';
import type { Environment } from './environment.ts';
import { BudgetExceeded, EvaluationError } from './failure.ts';
import type { Frame, Run } from './frame.ts';
import { parse } from './parser.ts';
import { formatIssues, type Issue, InstantiationProblem, issueAt, SyntaxProblem } from './source.ts';
import { dynType, isOptional, type Type } from './types.ts';
import { validate } from './validate.ts';
import { adapt, none, Optional } from './values.ts';
import { adapterOf } from './adapters.ts';

/** The cost that one evaluation may have; about a tenth of a second where upstream measured it. */
export const perCallLimit = 1_000_000;
/** For all evaluations of one request over one object. */
export const requestBudget = 10_000_000;
/** For all match conditions of one object and one webhook or policy. */
export const matchConditionsBudget = 2_500_000;

export interface Evaluation {
  /** Absent when there is an error. A value of an expression; `toJson` makes JSON of it. */
  readonly value?: unknown;
  /** What went wrong, in the language's words. */
  readonly error?: string;
  /** Whether it was stopped at its limit. */
  readonly exceeded: boolean;
  /** What was spent, also when it failed. */
  readonly cost: number;
}

export interface Program {
  readonly source: string;
  readonly expr: Expr;
  readonly type: Type;
  readonly environment: Environment;
  /** Whether it reads the variable. */
  uses(variable: string): boolean;
  /**
   * Evaluates over values of the environment's variables: JSON as it is, or values. A variable of an optional type may be
   * undefined; any other that is read must be given. `limit` is the cost it may have, `perCallLimit` if absent. Never throws.
   */
  evaluate(bindings: Readonly<Record<string, unknown>>, limit?: number): Evaluation;
}

export type Compilation = { readonly program: Program; readonly issues?: undefined } | Refusal;

export interface Refusal {
  readonly program?: undefined;
  readonly issues: readonly Issue[];
  /** As Kubernetes puts it: `compilation failed: ` and all issues with their lines, or `program instantiation failed: ` and why. */
  readonly message: string;
}

/** Reads, checks and prepares an expression. */
export function compile(source: string, environment: Environment): Compilation {
  try {
    const expr = parse(source, environment);
    const problems = check(expr, environment);
    if (problems.length === 0) problems.push(...validate(expr, environment.mixedLiterals));
    return problems.length > 0 ? refused(source, problems) : { program: programOf(source, expr, environment) };
  } catch (error) {
    if (error instanceof InstantiationProblem) {
      const issues = [issueAt(source, error.offset, error.message)];
      return { issues, message: `program instantiation failed: ${error.message}` };
    }
    if (error instanceof SyntaxProblem) return refused(source, [error]);
    throw error;
  }
}

function refused(source: string, problems: readonly SyntaxProblem[]): Refusal {
  const ordered = problems.toSorted((a, b) => a.offset - b.offset);
  const issues = ordered.map(({ offset, message }) => issueAt(source, offset, message));
  return { issues, message: `compilation failed: ${formatIssues(source, issues)}` };
}

function programOf(source: string, expr: Expr, environment: Environment): Program {
  const coder = new Coder(environment);
  const { run } = coder.code(expr);
  const variables = [...coder.globals].map(([name, slot]) => {
    const type = environment.variables.get(name) as Type;
    return { name, slot, adapt: bindingOf(type) };
  });
  const { slots } = coder;
  return {
    source,
    expr,
    type: expr.type ?? dynType,
    environment,
    uses: (variable) => coder.globals.has(variable),
    evaluate(bindings, limit = perCallLimit) {
      const values: unknown[] = [];
      for (let i = 0; i < slots; i++) values.push(undefined);
      const frame: Frame = { slots: values, cost: 0, limit };
      return evaluated(run, frame, variables, bindings);
    },
  };
}

interface Variable {
  readonly name: string;
  readonly slot: number;
  readonly adapt: (raw: unknown) => unknown;
}

function evaluated(
  run: Run,
  frame: Frame,
  variables: readonly Variable[],
  bindings: Readonly<Record<string, unknown>>,
): Evaluation {
  try {
    for (const { name, slot, adapt: toValue } of variables) frame.slots[slot] = toValue(bindings[name]);
    const value = run(frame);
    if (frame.cost > frame.limit) throw new BudgetExceeded();
    return { value, exceeded: false, cost: frame.cost };
  } catch (error) {
    if (error instanceof EvaluationError) {
      if (frame.cost > frame.limit) return { error: new BudgetExceeded().message, exceeded: true, cost: frame.cost };
      return { error: error.message, exceeded: false, cost: frame.cost };
    }
    if (error instanceof BudgetExceeded) return { error: error.message, exceeded: true, cost: frame.cost };
    throw error;
  }
}

/** What a variable of the type holds, given what the caller binds to it. */
function bindingOf(type: Type): (raw: unknown) => unknown {
  if (isOptional(type)) {
    const inner = bindingOf(type.params[0] as Type);
    return (raw) => {
      if (raw instanceof Optional) return raw;
      return raw === undefined || raw === null ? none : new Optional(inner(raw));
    };
  }
  const toValue = adapterOf(type) ?? adapt;
  return (raw) => (raw === undefined ? undefined : toValue(raw));
}
