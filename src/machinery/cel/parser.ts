/** Tokens to a syntax tree, with macros expanded. */
import type { Call, Expr, FieldInit, MapEntry } from './ast.ts';
import type { Environment } from './environment.ts';
import { type Token, tokenize } from './lexer.ts';
import { bytesLiteral, doubleLiteral, intLiteral, stringLiteral, uintLiteral } from './literal.ts';
import { type CopyBudget, MacroWriter } from './macros.ts';
import { SyntaxProblem } from './source.ts';

const maxDepth = 250;
const maxLength = 100_000;
const maxCopied = 20_000;
const relations = ['<', '<=', '>=', '>', '==', '!=', 'in'];
const reserved = new Set(
  'as break const continue else false for function if import in let loop package namespace null return true var void while'.split(
    ' ',
  ),
);
const starts =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/** Throws SyntaxProblem. */
export function parse(source: string, environment: Environment): Expr {
  const size = source.length > maxLength ? [...source].length : source.length;
  if (size > maxLength) {
    throw new SyntaxProblem(0, `expression code point size exceeds limit: size: ${size}, limit ${maxLength}`);
  }
  return new Parser(tokenize(source), environment).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #environment: Environment;
  readonly #copies: CopyBudget = { left: maxCopied };
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], environment: Environment) {
    this.#tokens = tokens;
    this.#environment = environment;
  }

  whole(): Expr {
    const expr = this.#expr();
    if (this.#token.kind !== 'end') this.#unexpected('<EOF>');
    return expr;
  }

  get #token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #next(): Token {
    return this.#tokens[this.#at++] as Token;
  }

  #is(op: string): boolean {
    const { kind, text } = this.#token;
    return kind === 'op' && text === op;
  }

  #take(op: string): Token | undefined {
    return this.#is(op) ? this.#next() : undefined;
  }

  #expect(op: string, wanted = `'${op}'`): Token {
    return this.#take(op) ?? this.#unexpected(wanted);
  }

  #unexpected(wanted: string): never {
    const { text, offset } = this.#token;
    const verb = wanted === '<EOF>' && this.#tokens[this.#at + 1]?.kind === 'end' ? 'extraneous' : 'mismatched';
    throw new SyntaxProblem(offset, `Syntax error: ${verb} input '${text}' expecting ${wanted}`);
  }

  #tooDeep(): never {
    throw new SyntaxProblem(this.#token.offset, `expression recursion limit exceeded: ${maxDepth}`);
  }

  #expr(): Expr {
    if (++this.#depth > maxDepth) this.#tooDeep();
    const condition = this.#logical('||', '_||_', () => this.#logical('&&', '_&&_', () => this.#relation()));
    const question = this.#take('?');
    let result = condition;
    if (question) {
      const yes = this.#logical('||', '_||_', () => this.#logical('&&', '_&&_', () => this.#relation()));
      this.#expect(':');
      const no = this.#expr();
      result = this.#call('_?_:_', question.offset, [condition, yes, no]);
    }
    this.#depth--;
    return result;
  }

  /** A chain of one operator, as a balanced tree: its depth grows with the logarithm of its length. */
  #logical(op: string, name: string, operand: () => Expr): Expr {
    const terms = [operand()];
    const offsets: number[] = [];
    for (let found = this.#take(op); found; found = this.#take(op)) {
      offsets.push(found.offset);
      terms.push(operand());
    }
    const balanced = (low: number, high: number): Expr => {
      const middle = (low + high + 1) >> 1;
      const left = middle === low ? (terms[middle] as Expr) : balanced(low, middle - 1);
      const right = middle === high ? (terms[middle + 1] as Expr) : balanced(middle + 1, high);
      return this.#call(name, offsets[middle] as number, [left, right]);
    };
    return offsets.length === 0 ? (terms[0] as Expr) : balanced(0, offsets.length - 1);
  }

  #relation(): Expr {
    return this.#chain(relations, () =>
      this.#chain(['+', '-'], () => this.#chain(['*', '/', '%'], () => this.#unary())),
    );
  }

  #chain(operators: readonly string[], operand: () => Expr): Expr {
    let left = operand();
    for (let length = 0; this.#token.kind === 'op' && operators.includes(this.#token.text); length++) {
      if (length >= maxDepth) this.#tooDeep();
      const { text, offset } = this.#next();
      left = this.#call(text === 'in' ? '@in' : `_${text}_`, offset, [left, operand()]);
    }
    return left;
  }

  #unary(): Expr {
    for (const op of ['!', '-']) {
      if (!this.#is(op) || (op === '-' && this.#isNumber(this.#at + 1))) continue;
      const { offset } = this.#token;
      let count = 0;
      while (this.#take(op)) count++;
      const operand = this.#member();
      return count % 2 === 0 ? operand : this.#call(op === '!' ? '!_' : '-_', offset, [operand]);
    }
    return this.#member();
  }

  #isNumber(at: number): boolean {
    const kind = this.#tokens[at]?.kind;
    return kind === 'int' || kind === 'double';
  }

  #member(): Expr {
    let expr = this.#primary();
    for (let length = 0; ; length++) {
      if (length > maxDepth) this.#tooDeep();
      const dot = this.#take('.');
      if (dot) {
        expr = this.#selected(expr, dot);
        continue;
      }
      const open = this.#take('[');
      if (!open) return expr;
      const optional = this.#take('?');
      const index = this.#expr();
      this.#expect(']');
      expr = this.#call(optional ? '_[?_]' : '_[_]', open.offset, [expr, index]);
    }
  }

  #selected(operand: Expr, dot: Token): Expr {
    if (this.#take('?')) {
      const name = this.#fieldName();
      const field: Expr = { kind: 'literal', value: name.text, offset: name.offset };
      return this.#call('_?._', dot.offset, [operand, field]);
    }
    const name = this.#fieldName();
    const open = name.kind === 'ident' ? this.#take('(') : undefined;
    if (!open) return { kind: 'select', operand, field: name.text, test: false, offset: dot.offset };
    return this.#call(name.text, open.offset, this.#arguments(), operand);
  }

  #fieldName(): Token {
    const token = this.#token;
    if (token.kind !== 'ident' && token.kind !== 'quoted') this.#unexpected('IDENTIFIER');
    if (token.kind === 'ident' && /^(true|false|null)$/.test(token.text)) this.#unexpected('IDENTIFIER');
    if (token.kind === 'quoted') throw new SyntaxProblem(token.offset, "unsupported syntax: '`'");
    return this.#next();
  }

  #arguments(): Expr[] {
    const args: Expr[] = [];
    if (this.#take(')')) return args;
    do args.push(this.#expr());
    while (this.#take(','));
    this.#expect(')');
    return args;
  }

  #primary(): Expr {
    const token = this.#token;
    if (this.#take('(')) {
      const inner = this.#expr();
      this.#expect(')');
      return inner;
    }
    if (this.#take('[')) return this.#list(token.offset);
    if (this.#take('{')) return { kind: 'map', entries: this.#entries(), offset: token.offset };
    return this.#literal() ?? this.#named();
  }

  #literal(): Expr | undefined {
    const negative = this.#is('-') && this.#isNumber(this.#at + 1);
    const { kind, text } = this.#tokens[negative ? this.#at + 1 : this.#at] as Token;
    const { offset } = this.#token;
    const value = (): unknown => {
      if (kind === 'int') return intLiteral(text, negative, offset);
      if (kind === 'double') return doubleLiteral(text, negative, offset);
      if (kind === 'uint') return uintLiteral(text, offset);
      if (kind === 'string') return stringLiteral(text, offset);
      if (kind === 'bytes') return bytesLiteral(text, offset);
      if (kind !== 'ident') return undefined;
      return text === 'true' ? true : text === 'false' ? false : text === 'null' ? null : undefined;
    };
    const found = value();
    if (found === undefined) return undefined;
    this.#at += negative ? 2 : 1;
    return { kind: 'literal', value: found, offset };
  }

  /** A name, a call of a function, or a message `a.b.C{…}`. */
  #named(): Expr {
    const leading = this.#take('.');
    const token = this.#token;
    if (token.kind !== 'ident') this.#unexpected(leading ? 'IDENTIFIER' : starts);
    if (/^(true|false|null)$/.test(token.text)) this.#unexpected('IDENTIFIER');
    const message = this.#messageName();
    if (message !== undefined) return this.#message((leading ? '.' : '') + message);
    this.#next();
    const open = this.#take('(');
    if (reserved.has(token.text)) throw new SyntaxProblem(token.offset, `reserved identifier: ${token.text}`);
    const name = (leading ? '.' : '') + token.text;
    if (open) return this.#call(name, open.offset, this.#arguments());
    return { kind: 'ident', name, offset: token.offset };
  }

  /** Moves to the brace when what follows is `a.b.C{`. */
  #messageName(): string | undefined {
    let at = this.#at;
    let name = '';
    for (;;) {
      const token = this.#tokens[at] as Token;
      if (token.kind !== 'ident') return undefined;
      name += token.text;
      const after = this.#tokens[++at] as Token;
      if (after.kind === 'op' && after.text === '{') break;
      if (after.kind !== 'op' || after.text !== '.') return undefined;
      name += '.';
      at++;
    }
    this.#at = at;
    return name;
  }

  #message(name: string): Expr {
    const { offset } = this.#expect('{');
    const fields: FieldInit[] = [];
    while (!this.#is('}')) {
      const optional = this.#take('?') !== undefined;
      const field = this.#fieldName();
      const colon = this.#expect(':');
      fields.push({ name: field.text, value: this.#expr(), optional, offset: colon.offset });
      if (!this.#take(',')) break;
    }
    this.#expect('}');
    return { kind: 'struct', name, fields, offset };
  }

  #list(offset: number): Expr {
    const elements: Expr[] = [];
    const optionals: number[] = [];
    while (!this.#is(']')) {
      if (this.#take('?')) optionals.push(elements.length);
      elements.push(this.#expr());
      if (!this.#take(',')) break;
    }
    this.#expect(']');
    return { kind: 'list', elements, optionals, offset };
  }

  #entries(): MapEntry[] {
    const entries: MapEntry[] = [];
    while (!this.#is('}')) {
      const optional = this.#take('?') !== undefined;
      const key = this.#expr();
      const colon = this.#expect(':');
      entries.push({ key, value: this.#expr(), optional, offset: colon.offset });
      if (!this.#take(',')) break;
    }
    this.#expect('}');
    return entries;
  }

  #call(name: string, offset: number, args: readonly Expr[], target?: Expr): Expr {
    const call: Call = { kind: 'call', name, args, offset, ...(target ? { target } : {}) };
    const { macros } = this.#environment;
    const style = target !== undefined;
    const expander = macros.get(`${name}:${args.length}:${style}`) ?? macros.get(`${name}:*:${style}`);
    const expanded = expander?.(new MacroWriter(offset, this.#copies), call);
    if (!expanded) return call;
    expanded.written = call;
    return expanded;
  }
}
