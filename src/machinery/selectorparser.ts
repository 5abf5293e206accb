/** Reads label selectors as they stand in a query string: `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`. */
import { qualifiedNameProblems } from './names.ts';
import { compileSelector, newRequirement, type Requirement, type Selector, type SelectorOperator } from './selector.ts';
import { StatusError } from './status.ts';

/** `word`: a key, a value, or `in` and `notin` where they stand for themselves. */
interface Token {
  kind: 'word' | 'end' | ')' | '(' | ',' | '!' | '==' | '=' | '!=' | '>' | '<';
  text: string;
}

const symbols = new Set(['=', '!', '(', ')', ',', '>', '<']);
const tokens = new Set([')', ',', '!', '==', '=', '>', '<', '!=', '(']);
const longest = 1 << 20;

/** Throws `BadRequest`, worded as apimachinery's `labels` package does. */
export function parseSelector(text: string): Selector {
  if (text.length > longest)
    throw StatusError.badRequest(
      `a label selector may not be longer than ${longest} characters, this one has ${text.length}`,
    );
  return compileSelector(new Parser(scan(text)).parse());
}

function scan(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    if (isSpace(character)) {
      at++;
      continue;
    }
    const token = symbols.has(character) ? scanSymbol(text, at) : scanWord(text, at);
    found.push(token);
    at += token.text.length;
  }
  found.push({ kind: 'end', text: '' });
  return found;
}

function scanSymbol(text: string, at: number): Token {
  const two = text.slice(at, at + 2);
  const symbol = tokens.has(two) ? two : text[at]!;
  return { kind: symbol as Token['kind'], text: symbol };
}

function scanWord(text: string, at: number): Token {
  let end = at;
  while (end < text.length && !symbols.has(text[end]!) && !isSpace(text[end]!)) end++;
  return { kind: 'word', text: text.slice(at, end) };
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\n';
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(scanned: readonly Token[]) {
    this.#tokens = scanned;
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      const { kind, text } = this.#peek();
      if (kind === 'end') return requirements;
      if (kind !== 'word' && kind !== '!')
        throw StatusError.badRequest(`found '${text}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.#wrapped());
      const next = this.#next();
      if (next.kind === 'end') return requirements;
      if (next.kind !== ',') throw StatusError.badRequest(`found '${next.text}', expected: ',' or 'end of string'`);
      const after = this.#peek();
      if (after.kind !== 'word' && after.kind !== '!')
        throw StatusError.badRequest(`found '${after.text}', expected: identifier after ','`);
    }
  }

  #wrapped(): Requirement {
    try {
      return this.#requirement();
    } catch (error) {
      throw StatusError.badRequest(`unable to parse requirement: ${(error as Error).message}`);
    }
  }

  #requirement(): Requirement {
    const negated = this.#peek().kind === '!';
    if (negated) this.#next();
    const { kind, text: key } = this.#next();
    if (kind !== 'word') throw new Error(`found '${key}', expected: identifier`);
    const problem = qualifiedNameProblems(key).join('; ');
    if (problem !== '') throw new Error(`<nil>: Invalid value: ${JSON.stringify(key)}: ${problem}`);
    if (negated) return newRequirement(key, '!', []);
    const after = this.#peek().kind;
    if (after === 'end' || after === ',') return newRequirement(key, 'exists', []);
    const operator = this.#operator();
    const values = operator === 'in' || operator === 'notin' ? this.#values() : [this.#exactValue()];
    return newRequirement(key, operator, values);
  }

  #operator(): SelectorOperator {
    const { kind, text } = this.#next();
    if (kind === '=' || kind === '==' || kind === '!=') return kind;
    if (kind === '>') return 'gt';
    if (kind === '<') return 'lt';
    if (kind === 'word' && (text === 'in' || text === 'notin')) return text;
    throw new Error(`found '${text}', expected: in, notin, =, ==, !=, gt, lt`);
  }

  /** `(x,y)`; an empty place between commas stands for the empty value. */
  #values(): string[] {
    const open = this.#next();
    if (open.kind !== '(') throw new Error(`found '${open.text}' expected: '('`);
    const values = new Set<string>();
    for (;;) {
      const { kind, text } = this.#peek();
      if (kind === 'word') {
        values.add(text);
        this.#next();
      } else if (kind === ',' || kind === ')') values.add('');
      else throw new Error(`found '${text}', expected: ',', ')' or identifier`);
      const after = this.#next();
      if (after.kind === ')') return [...values].toSorted();
      if (after.kind !== ',') throw new Error(`found '${after.text}', expected: ',' or ')'`);
    }
  }

  #exactValue(): string {
    const { kind, text } = this.#peek();
    if (kind === 'end' || kind === ',') return '';
    this.#next();
    if (kind !== 'word') throw new Error(`found '${text}', expected: identifier`);
    return text;
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  /** Stays on the end once it is reached. */
  #next(): Token {
    const token = this.#tokens[this.#at]!;
    if (token.kind !== 'end') this.#at++;
    return token;
  }
}
