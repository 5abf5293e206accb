/** Templates as closures: each writes what it has to say into a run. */
import { type Piece, piecesOf, TemplateError, type Word } from './tokens.ts';
import { asText, fieldsOf, isTrue, type Value } from './values.ts';

export type TemplateFunction = (...args: any[]) => Value;
export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>;

/** The variables of a block, and of the blocks around it. */
interface Scope {
  readonly variables: Map<string, Value>;
  readonly outer: Scope | undefined;
}

interface Run {
  readonly written: string[];
  dot: Value;
  scope: Scope;
}

type Part = (run: Run) => void;
type Expression = (run: Run) => Value;

class Break extends Error {}
class Continue extends Error {}

/** Steps that one rendering may take in loops. */
const longest = 100_000;

export type Template = (data: Value) => string;

/** Throws a `TemplateError`; so does the template, for what only then goes wrong. */
export function compileTemplate(source: string, functions: TemplateFunctions): Template {
  const parts = new Parser(source, functions).whole();
  return (data) => {
    const run: Run = { written: [], dot: data, scope: { variables: new Map([['$', data]]), outer: undefined } };
    parts(run);
    return run.written.join('');
  };
}

class Parser {
  readonly #pieces: Piece[];
  readonly #functions: TemplateFunctions;
  #at = 0;

  constructor(source: string, functions: TemplateFunctions) {
    this.#pieces = piecesOf(source);
    this.#functions = functions;
  }

  whole(): Part {
    const part = this.#block([]);
    if (this.#at < this.#pieces.length) throw new TemplateError(`"${this.#keyword()}" without what it ends`);
    return part;
  }

  #keyword(): string {
    const piece = this.#pieces[this.#at];
    const first = piece?.kind === 'action' ? piece.words[0] : undefined;
    return first?.kind === 'name' ? first.text : '';
  }

  /** Up to one of these words, which is left to the caller. */
  #block(ends: readonly string[]): Part {
    const parts: Part[] = [];
    while (this.#at < this.#pieces.length) {
      const piece = this.#pieces[this.#at]!;
      if (piece.kind === 'text') {
        const { text } = piece;
        parts.push(({ written }) => void written.push(text));
        this.#at++;
        continue;
      }
      const keyword = this.#keyword();
      if (ends.includes(keyword) || keyword === 'end' || keyword === 'else') break;
      this.#at++;
      parts.push(this.#action(keyword, piece));
    }
    return (run) => {
      for (const part of parts) part(run);
    };
  }

  #action(keyword: string, piece: Piece & { kind: 'action' }): Part {
    const words = new Words(piece, this.#functions);
    switch (keyword) {
      case 'if':
        return this.#conditional(words.after(), false);
      case 'with':
        return this.#conditional(words.after(), true);
      case 'range':
        return this.#range(words.after());
      case 'break':
        return () => {
          throw new Break('"break" outside of a range');
        };
      case 'continue':
        return () => {
          throw new Continue('"continue" outside of a range');
        };
      case 'define':
      case 'template':
      case 'block':
        throw new TemplateError(`line ${piece.line}: "${keyword}" is not supported: write its content in its place`);
      default: {
        const { names, value, declares } = words.statement();
        words.end();
        if (names.length === 0) return (run) => void run.written.push(asText(value(run)));
        return (run) => assign(run.scope, names[0]!, value(run), declares);
      }
    }
  }

  #conditional(words: Words, moves: boolean): Part {
    const { names, value } = words.statement();
    words.end();
    const yes = this.#block(['else', 'end']);
    const no = this.#otherwise(moves);
    return (run) =>
      inside(run, () => {
        const found = value(run);
        if (names.length > 0) assign(run.scope, names[0]!, found, true);
        if (!isTrue(found)) return no(run);
        if (moves) run.dot = found;
        yes(run);
      });
  }

  #otherwise(moves: boolean): Part {
    const piece = this.#pieces[this.#at];
    if (piece?.kind !== 'action') throw new TemplateError('"end" is missing');
    this.#at++;
    if (this.#keywordOf(piece) === 'end') return () => {};
    const words = new Words(piece, this.#functions).after();
    if (words.isAt('if')) return this.#conditional(words.after(), false);
    if (words.isAt('with') && moves) return this.#conditional(words.after(), true);
    words.end();
    const no = this.#block(['end']);
    this.#end();
    return no;
  }

  #keywordOf(piece: Piece): string {
    return piece.kind === 'action' ? (piece.words[0]?.text ?? '') : '';
  }

  #end(): void {
    const piece = this.#pieces[this.#at++];
    if (piece === undefined || this.#keywordOf(piece) !== 'end') throw new TemplateError('"end" is missing');
  }

  #range(words: Words): Part {
    const { names, value } = words.statement();
    words.end();
    const body = this.#block(['else', 'end']);
    const otherwise = this.#otherwise(false);
    return (run) =>
      inside(run, () => {
        const entries = entriesOf(value(run));
        if (entries.length === 0) return otherwise(run);
        if (entries.length > longest) throw new TemplateError(`a range over ${entries.length} elements is too long`);
        for (const [key, element] of entries) {
          const ended = inside(run, () => {
            if (names.length === 2) assign(run.scope, names[0]!, key, true);
            if (names.length > 0) assign(run.scope, names.at(-1)!, element, true);
            run.dot = element;
            return interrupted(() => body(run));
          });
          if (ended) break;
        }
      });
  }
}

/** Runs it with a scope and a dot of its own. */
function inside<T>(run: Run, does: () => T): T {
  const { dot, scope } = run;
  run.scope = { variables: new Map(), outer: scope };
  try {
    return does();
  } finally {
    run.dot = dot;
    run.scope = scope;
  }
}

/** Whether it asked to end the loop. */
function interrupted(does: () => void): boolean {
  try {
    does();
    return false;
  } catch (error) {
    if (error instanceof Break) return true;
    if (error instanceof Continue) return false;
    throw error;
  }
}

function entriesOf(value: Value): [Value, Value][] {
  if (Array.isArray(value)) return value.map((one, i) => [i, one]);
  if (typeof value === 'number') return Array.from({ length: Math.min(value, longest + 1) }, (_, i) => [i, i]);
  if (value === null || value === undefined) return [];
  if (typeof value === 'object') return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  throw new TemplateError(`a range over ${JSON.stringify(value)}: a list, a map or a number is expected`);
}

function assign(scope: Scope, name: string, value: Value, declares: boolean): void {
  let where: Scope | undefined = scope;
  if (!declares) while (where !== undefined && !where.variables.has(name)) where = where.outer;
  if (where === undefined) throw new TemplateError(`the variable ${name} is not declared`);
  where.variables.set(name, value);
}

function lookUp(scope: Scope, name: string): Value {
  for (let where: Scope | undefined = scope; where !== undefined; where = where.outer)
    if (where.variables.has(name)) return where.variables.get(name);
  throw new TemplateError(`the variable ${name} is not declared`);
}

interface Statement {
  names: string[];
  declares: boolean;
  value: Expression;
}

/** The words of one action. */
class Words {
  readonly #piece: Piece & { kind: 'action' };
  readonly #functions: TemplateFunctions;
  #at = 0;

  constructor(piece: Piece & { kind: 'action' }, functions: TemplateFunctions) {
    this.#piece = piece;
    this.#functions = functions;
  }

  get #next(): Word {
    return this.#piece.words[this.#at]!;
  }

  /** Past the keyword. */
  after(): this {
    this.#at++;
    return this;
  }

  isAt(keyword: string): boolean {
    return this.#next.kind === 'name' && this.#next.text === keyword;
  }

  end(): void {
    if (this.#next.kind !== 'end') this.#fail(`${JSON.stringify(this.#next.text)} is not expected`);
  }

  #fail(why: string): never {
    throw new TemplateError(`line ${this.#piece.line}: ${why} in {{ ${this.#piece.source} }}`);
  }

  #isSign(text: string, at = this.#at): boolean {
    const word = this.#piece.words[at];
    return word?.kind === 'sign' && word.text === text;
  }

  statement(): Statement {
    const names: string[] = [];
    const from = this.#at;
    while (this.#next.kind === 'variable') {
      names.push(this.#next.text);
      this.#at++;
      if (!this.#isSign(',')) break;
      this.#at++;
    }
    if (names.length > 0 && (this.#isSign(':=') || this.#isSign('='))) {
      const declares = this.#next.text === ':=';
      this.#at++;
      return { names, declares, value: this.#pipeline() };
    }
    this.#at = from;
    return { names: [], declares: false, value: this.#pipeline() };
  }

  #pipeline(): Expression {
    let value = this.#command(undefined);
    while (this.#isSign('|')) {
      this.#at++;
      value = this.#command(value);
    }
    return value;
  }

  #command(piped: Expression | undefined): Expression {
    const first = this.#next;
    if (first.kind === 'name' && !['true', 'false', 'nil'].includes(first.text)) {
      this.#at++;
      return this.#call(first.text, piped);
    }
    const value = this.#operand();
    if (piped !== undefined) this.#fail('what is piped into must be a function');
    if (!this.#isOver()) this.#fail('only functions take arguments');
    return value;
  }

  #isOver(): boolean {
    return this.#next.kind === 'end' || this.#isSign('|') || this.#isSign(')');
  }

  #call(name: string, piped: Expression | undefined): Expression {
    const args: Expression[] = [];
    while (!this.#isOver()) args.push(this.#operand());
    if (piped !== undefined) args.push(piped);
    if (name === 'and' || name === 'or') return lazily(args, name === 'and');
    const of = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined;
    if (of === undefined) this.#fail(`the function ${name} is not known`);
    return (run) => of!(...args.map((argument) => argument(run)));
  }

  #operand(): Expression {
    const word = this.#next;
    if (word.kind === 'end') this.#fail('something is missing');
    this.#at++;
    return this.#fields(this.#single(word));
  }

  #single({ kind, text }: Word): Expression {
    if (kind === 'string') return () => text;
    if (kind === 'number') return this.#number(text);
    if (kind === 'variable') return ({ scope }) => lookUp(scope, text);
    if (kind === 'field') return ({ dot }) => fieldsOf(dot, [text.slice(1)]);
    if (kind === 'name') return this.#constant(text);
    if (text === '.') return ({ dot }) => dot;
    if (text === '(') {
      const value = this.#pipeline();
      if (!this.#isSign(')')) this.#fail('")" is missing');
      this.#at++;
      return value;
    }
    return this.#fail(`${JSON.stringify(text)} is not expected`);
  }

  #number(text: string): Expression {
    const number = Number(text);
    if (Number.isNaN(number)) this.#fail(`${text} is not a number`);
    return () => number;
  }

  #constant(text: string): Expression {
    if (text === 'true' || text === 'false') return () => text === 'true';
    if (text === 'nil') return () => null;
    const of = Object.hasOwn(this.#functions, text) ? this.#functions[text] : undefined;
    if (of === undefined) this.#fail(`the function ${text} is not known`);
    return () => of!();
  }

  #fields(of: Expression): Expression {
    const names: string[] = [];
    while (this.#next.kind === 'field' && !this.#next.apart) {
      names.push(this.#next.text.slice(1));
      this.#at++;
    }
    return names.length === 0 ? of : (run) => fieldsOf(of(run), names);
  }
}

function lazily(args: readonly Expression[], and: boolean): Expression {
  if (args.length === 0) throw new TemplateError(`"${and ? 'and' : 'or'}" without arguments`);
  return (run) => {
    let value: Value;
    for (const argument of args) {
      value = argument(run);
      if (isTrue(value) !== and) return value;
    }
    return value;
  };
}
