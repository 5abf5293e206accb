/** Macros: calls that are rewritten before they are checked. */
import { accumulatorName, type Call, type Comprehension, type Expr, type Ident, type Literal } from './ast.ts';
import { SyntaxProblem } from './source.ts';

/** How many more nodes macros may copy: some copy what they are called on, and so what is called on that, twofold each time. */
export interface CopyBudget {
  left: number;
}

/** Makes expressions that stand where the macro's call stands. */
export class MacroWriter {
  readonly offset: number;
  readonly #budget: CopyBudget;
  constructor(offset: number, budget: CopyBudget) {
    this.offset = offset;
    this.#budget = budget;
  }

  /** A copy that the checker may write into on its own. */
  copy(expr: Expr): Expr {
    return copyExpr(expr, () => {
      if (--this.#budget.left < 0)
        throw new SyntaxProblem(this.offset, 'expression is too large once its macros are expanded');
    });
  }

  literal(value: unknown): Literal {
    return { kind: 'literal', value, offset: this.offset };
  }

  ident(name: string): Ident {
    return { kind: 'ident', name, offset: this.offset };
  }

  get accumulator(): Ident {
    return this.ident(accumulatorName);
  }

  call(name: string, ...args: Expr[]): Call {
    return { kind: 'call', name, args, offset: this.offset };
  }

  method(name: string, target: Expr, ...args: Expr[]): Call {
    return { kind: 'call', name, target, args, offset: this.offset };
  }

  list(...elements: Expr[]): Expr {
    return { kind: 'list', elements, optionals: [], offset: this.offset };
  }

  loop(parts: Omit<Comprehension, 'kind' | 'offset' | 'accumulator'> & { accumulator?: string }): Comprehension {
    return { kind: 'comprehension', accumulator: accumulatorName, offset: this.offset, ...parts };
  }
}

/** Expands a call; undefined when it is none of its calls. */
export type MacroExpander = (write: MacroWriter, call: Call) => Expr | undefined;

/** Calls `count` for every node. */
function copyExpr(expr: Expr, count: () => void): Expr {
  count();
  const copy = (inner: Expr): Expr => copyExpr(inner, count);
  switch (expr.kind) {
    case 'literal':
    case 'ident':
      return { ...expr };
    case 'select':
      return { ...expr, operand: copy(expr.operand) };
    case 'call':
      return { ...expr, target: expr.target && copy(expr.target), args: expr.args.map(copy) };
    case 'list':
      return { ...expr, elements: expr.elements.map(copy) };
    case 'map':
      return { ...expr, entries: expr.entries.map((e) => ({ ...e, key: copy(e.key), value: copy(e.value) })) };
    case 'struct':
      return { ...expr, fields: expr.fields.map((field) => ({ ...field, value: copy(field.value) })) };
    case 'comprehension':
      return {
        ...expr,
        range: copy(expr.range),
        initial: copy(expr.initial),
        condition: copy(expr.condition),
        step: copy(expr.step),
        result: copy(expr.result),
      };
  }
}

function variableOf(expr: Expr | undefined, problem: string): string {
  if (expr?.kind !== 'ident') throw new SyntaxProblem(expr?.offset ?? 0, problem);
  if (expr.name === accumulatorName || expr.name === '__result__') {
    throw new SyntaxProblem(expr.offset, 'iteration variable overwrites accumulator variable');
  }
  return expr.name;
}

type Body = Pick<Comprehension, 'initial' | 'condition' | 'step' | 'result'>;

function quantifier(name: string, write: MacroWriter, predicate: Expr): Body {
  const { accumulator } = write;
  if (name === 'all') {
    return {
      initial: write.literal(true),
      condition: write.call('@not_strictly_false', accumulator),
      step: write.call('_&&_', accumulator, predicate),
      result: accumulator,
    };
  }
  if (name === 'exists') {
    return {
      initial: write.literal(false),
      condition: write.call('@not_strictly_false', write.call('!_', accumulator)),
      step: write.call('_||_', accumulator, predicate),
      result: accumulator,
    };
  }
  return {
    initial: write.literal(0),
    condition: write.literal(true),
    step: write.call('_?_:_', predicate, write.call('_+_', accumulator, write.literal(1)), accumulator),
    result: write.call('_==_', accumulator, write.literal(1)),
  };
}

/** Gathers into a list or a map, where the filter holds. */
function gather(write: MacroWriter, initial: Expr, add: Expr, filter?: Expr): Body {
  const { accumulator } = write;
  const step = filter ? write.call('_?_:_', filter, add, accumulator) : add;
  return { initial, condition: write.literal(true), step, result: accumulator };
}

const simpleName = 'argument must be a simple name';
const notIdentifier = 'argument is not an identifier';

const quantify: MacroExpander = (write, { name, target, args }) => {
  const variable = variableOf(args[0], simpleName);
  return write.loop({ range: target as Expr, variable, ...quantifier(name, write, args[1] as Expr) });
};

const map: MacroExpander = (write, { target, args }) => {
  const variable = variableOf(args[0], notIdentifier);
  const transform = args.at(-1) as Expr;
  const add = write.call('_+_', write.accumulator, write.list(transform));
  const filter = args.length === 3 ? args[1] : undefined;
  return write.loop({ range: target as Expr, variable, ...gather(write, write.list(), add, filter) });
};

const filter: MacroExpander = (write, { target, args }) => {
  const variable = variableOf(args[0], notIdentifier);
  const add = write.call('_+_', write.accumulator, write.list(args[0] as Expr));
  return write.loop({ range: target as Expr, variable, ...gather(write, write.list(), add, args[1]) });
};

const has: MacroExpander = (write, { args }) => {
  const [argument] = args as [Expr];
  if (argument.kind !== 'select' || argument.test)
    throw new SyntaxProblem(argument.offset, 'invalid argument to has() macro');
  return { ...argument, test: true, offset: write.offset };
};

export const standardMacros: Record<string, MacroExpander> = {
  'has:1:false': has,
  'all:2:true': quantify,
  'exists:2:true': quantify,
  'exists_one:2:true': quantify,
  'existsOne:2:true': quantify,
  'map:2:true': map,
  'map:3:true': map,
  'filter:2:true': filter,
};

function twoVariables(args: readonly Expr[]): { variable: string; variable2: string } {
  const variable = variableOf(args[0], simpleName);
  const variable2 = variableOf(args[1], simpleName);
  if (variable === variable2) throw new SyntaxProblem(args[1]?.offset ?? 0, `duplicate variable name: ${variable}`);
  return { variable, variable2 };
}

const quantify2: MacroExpander = (write, { name, target, args }) =>
  write.loop({ range: target as Expr, ...twoVariables(args), ...quantifier(name, write, args[2] as Expr) });

const transform: MacroExpander = (write, { name, target, args }) => {
  const variables = twoVariables(args);
  const value = args.at(-1) as Expr;
  const condition = args.length === 4 ? args[2] : undefined;
  const { accumulator } = write;
  const empty: Expr = { kind: 'map', entries: [], offset: write.offset };
  const body =
    name === 'transformList'
      ? gather(write, write.list(), write.call('_+_', accumulator, write.list(value)), condition)
      : name === 'transformMap'
        ? gather(
            write,
            empty,
            write.call('cel.@mapInsert', accumulator, write.ident(variables.variable), value),
            condition,
          )
        : gather(write, empty, write.call('cel.@mapInsert', accumulator, value), condition);
  return write.loop({ range: target as Expr, ...variables, ...body });
};

export const twoVariableMacros: Record<string, MacroExpander> = {
  'all:3:true': quantify2,
  'exists:3:true': quantify2,
  'exists_one:3:true': quantify2,
  'existsOne:3:true': quantify2,
  'transformList:3:true': transform,
  'transformList:4:true': transform,
  'transformMap:3:true': transform,
  'transformMap:4:true': transform,
  'transformMapEntry:3:true': transform,
  'transformMapEntry:4:true': transform,
};

/** A loop over nothing, whose accumulator is the variable. */
export function bindLoop(write: MacroWriter, name: string, value: Expr, result: Expr): Comprehension {
  return write.loop({
    range: write.list(),
    variable: '#unused',
    accumulator: name,
    initial: value,
    condition: write.literal(false),
    step: write.ident(name),
    result,
  });
}

const optMap: MacroExpander = (write, { name, target, args }) => {
  const [variable, body] = args as [Expr, Expr];
  if (variable.kind !== 'ident')
    throw new SyntaxProblem(variable.offset, `${name}() variable name must be a simple identifier`);
  const value = write.method('value', write.copy(target as Expr));
  const mapped = bindLoop(write, variable.name, value, body);
  return write.call(
    '_?_:_',
    write.method('hasValue', target as Expr),
    name === 'optMap' ? write.call('optional.of', mapped) : mapped,
    write.call('optional.none'),
  );
};

export const optionalMacros: Record<string, MacroExpander> = { 'optMap:2:true': optMap, 'optFlatMap:2:true': optMap };

const bind: MacroExpander = (write, { target, args }) => {
  if (target?.kind !== 'ident' || target.name !== 'cel') return undefined;
  const [variable, value, body] = args as [Expr, Expr, Expr];
  if (variable.kind !== 'ident') {
    throw new SyntaxProblem(variable.offset, 'cel.bind() variable names must be simple identifiers');
  }
  return bindLoop(write, variable.name, value, body);
};

export const bindMacros: Record<string, MacroExpander> = { 'bind:3:true': bind };

const sortBy: MacroExpander = (write, { target, args }) => {
  const range = target as Expr;
  if (!['list', 'select', 'ident', 'comprehension', 'call'].includes(range.kind)) {
    throw new SyntaxProblem(
      range.offset,
      'sortBy can only be applied to a list, identifier, comprehension, call or select expression',
    );
  }
  const variable = variableOf(args[0], notIdentifier);
  const keys = write.loop({
    range: write.ident('@__sortBy_input__'),
    variable,
    ...gather(write, write.list(), write.call('_+_', write.accumulator, write.list(args[1] as Expr))),
  });
  return bindLoop(
    write,
    '@__sortBy_input__',
    range,
    write.method('@sortByAssociatedKeys', write.ident('@__sortBy_input__'), keys),
  );
};

export const listMacros: Record<string, MacroExpander> = { 'sortBy:2:true': sortBy };
