/**
 * JSON queries as Stages use them: the part of jq that reads. Paths, iteration, `select`, comparisons, `and`, `or`, `not`, `//`, arithmetic,
 * `if`, arrays, and the functions below; no variables, no definitions, no assignment. Compiled once to closures.
 */
import { functions, same, stumble, truthy, type Value } from './jqfunctions.ts';
import { QueryError, type Token, tokensOf } from './jqtokens.ts';

/** All results, in order. Throws where jq would fail. */
export type Filter = (input: Value) => Value[];

/** Throws a `QueryError` for what is not understood. */
export function compileQuery(text: string): Filter {
  return new Parser(text).whole();
}

const compare: Record<string, (a: any, b: any) => boolean> = {
  '==': same,
  '!=': (a, b) => !same(a, b),
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function add(a: any, b: any): Value {
  if (a === null) return b;
  if (b === null) return a;
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  if (typeof a === 'object' && typeof b === 'object') return { ...a, ...b };
  if (typeof a !== typeof b) return stumble('what is added is not of one kind');
  return a + b;
}

const numeric =
  (of: (a: number, b: number) => number) =>
  (a: Value, b: Value): Value =>
    typeof a === 'number' && typeof b === 'number' ? of(a, b) : stumble('a number is expected');

const arithmetic: Record<string, (a: Value, b: Value) => Value> = {
  '+': add,
  '-': numeric((a, b) => a - b),
  '*': numeric((a, b) => a * b),
  '/': numeric((a, b) => a / b),
  '%': numeric((a, b) => Math.trunc(a) % Math.trunc(b)),
};

/** Every pair of results; the right one varies slowest, as in jq. */
const pairs =
  (left: Filter, right: Filter, of: (a: Value, b: Value) => Value): Filter =>
  (input) =>
    right(input).flatMap((b) => left(input).map((a) => of(a, b)));

function fieldOf(value: Value, key: Value): Value {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value) && typeof key === 'number') return value.at(key) ?? null;
  if (typeof value === 'object' && !Array.isArray(value) && typeof key === 'string')
    return (Object.hasOwn(value, key) ? (value as Record<string, Value>)[key] : null) ?? null;
  return stumble(`cannot take ${JSON.stringify(key)} of this`);
}

function each(value: Value): Value[] {
  if (Array.isArray(value)) return value;
  if (value !== null && typeof value === 'object') return Object.values(value);
  return stumble('cannot iterate over this');
}

class Parser {
  readonly #query: string;
  readonly #tokens: Token[];
  #at = 0;

  constructor(query: string) {
    this.#query = query;
    this.#tokens = tokensOf(query);
  }

  whole(): Filter {
    const filter = this.#pipe();
    if (this.#next.kind !== 'end') this.#fail();
    return filter;
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #fail(): never {
    const { kind, text } = this.#next;
    throw new QueryError(
      this.#query,
      kind === 'end' ? 'something is missing at its end' : `${JSON.stringify(text)} is not understood here`,
    );
  }

  #is(kind: Token['kind']): boolean {
    return this.#next.kind === kind;
  }

  #takes(text: string, kind: Token['kind'] = 'sign'): boolean {
    if (this.#next.kind !== kind || this.#next.text !== text) return false;
    this.#at++;
    return true;
  }

  #expect(text: string, kind: Token['kind'] = 'sign'): void {
    if (!this.#takes(text, kind)) this.#fail();
  }

  #pipe(): Filter {
    const first = this.#comma();
    if (!this.#takes('|')) return first;
    const then = this.#pipe();
    return (input) => first(input).flatMap((one) => then(one));
  }

  #comma(): Filter {
    let filter = this.#alternative();
    while (this.#takes(',')) {
      const [before, after] = [filter, this.#alternative()];
      filter = (input) => [...before(input), ...after(input)];
    }
    return filter;
  }

  #alternative(): Filter {
    const first = this.#or();
    if (!this.#takes('//')) return first;
    const otherwise = this.#alternative();
    return (input) => {
      const found = quietly(first, input).filter(truthy);
      return found.length > 0 ? found : otherwise(input);
    };
  }

  #or(): Filter {
    const first = this.#and();
    if (!this.#takes('or', 'name')) return first;
    const second = this.#or();
    return (input) => first(input).flatMap((a) => (truthy(a) ? [true] : second(input).map(truthy)));
  }

  #and(): Filter {
    const first = this.#comparison();
    if (!this.#takes('and', 'name')) return first;
    const second = this.#and();
    return (input) => first(input).flatMap((a) => (truthy(a) ? second(input).map(truthy) : [false]));
  }

  #comparison(): Filter {
    const left = this.#sum();
    const of = this.#next.kind === 'sign' ? compare[this.#next.text] : undefined;
    if (of === undefined) return left;
    this.#at++;
    return pairs(left, this.#sum(), of);
  }

  #sum(): Filter {
    return this.#chain(['+', '-'], () => this.#chain(['*', '/', '%'], () => this.#postfix()));
  }

  #chain(signs: readonly string[], operand: () => Filter): Filter {
    let filter = operand();
    while (this.#next.kind === 'sign' && signs.includes(this.#next.text)) {
      const of = arithmetic[this.#next.text]!;
      this.#at++;
      filter = pairs(filter, operand(), of);
    }
    return filter;
  }

  #postfix(): Filter {
    let filter = this.#term();
    for (;;) {
      const before = filter;
      if (this.#next.kind === 'field') filter = this.#then(before, this.#fieldKey());
      else if (this.#takes('[')) filter = this.#bracket(before);
      else if (this.#takes('?')) filter = (input) => quietly(before, input);
      else if (this.#takes('.')) {
        if (this.#takes('[')) filter = this.#bracket(before);
        else if (this.#is('string')) filter = this.#then(before, this.#fieldKey());
        else this.#fail();
      } else return filter;
    }
  }

  #fieldKey(): string {
    return this.#tokens[this.#at++]!.text;
  }

  #then(before: Filter, key: Value): Filter {
    return (input) => before(input).map((value) => fieldOf(value, key));
  }

  #bracket(before: Filter): Filter {
    if (this.#takes(']')) return (input) => before(input).flatMap(each);
    const key = this.#pipe();
    this.#expect(']');
    return (input) => before(input).flatMap((value) => key(input).map((one) => fieldOf(value, one)));
  }

  #term(): Filter {
    const { kind, text } = this.#next;
    if (kind === 'end') this.#fail();
    this.#at++;
    if (kind === 'field') return (input) => [fieldOf(input, text)];
    if (kind === 'string') return () => [text];
    if (kind === 'number') return () => [Number(text)];
    if (kind === 'name') return this.#named(text);
    if (text === '.') return this.#dot();
    if (text === '-') return this.#negative();
    if (text === '(') return this.#until(')');
    if (text === '[') return this.#array();
    this.#at--;
    return this.#fail();
  }

  #dot(): Filter {
    if (this.#next.kind === 'string') return this.#then((input) => [input], this.#fieldKey());
    return (input) => [input];
  }

  #negative(): Filter {
    const of = this.#postfix();
    return (input) => of(input).map((value) => (typeof value === 'number' ? -value : stumble('a number is expected')));
  }

  #until(end: string): Filter {
    const inside = this.#pipe();
    this.#expect(end);
    return inside;
  }

  #array(): Filter {
    if (this.#takes(']')) return () => [[]];
    const inside = this.#until(']');
    return (input) => [inside(input)];
  }

  #named(name: string): Filter {
    if (name === 'true' || name === 'false') return () => [name === 'true'];
    if (name === 'null') return () => [null];
    if (name === 'if') return this.#if();
    const made = functions[name];
    if (made === undefined)
      throw new QueryError(
        this.#query,
        `the function ${name} is not known: there are ${Object.keys(functions).sort().join(', ')}`,
      );
    const args: Filter[] = [];
    if (this.#takes('(')) {
      do args.push(this.#pipe());
      while (this.#takes(';'));
      this.#expect(')');
    }
    return made(args);
  }

  #if(): Filter {
    const condition = this.#pipe();
    this.#expect('then', 'name');
    const yes = this.#pipe();
    let no: Filter = (input) => [input];
    if (this.#takes('elif', 'name')) no = this.#if();
    else {
      if (this.#takes('else', 'name')) no = this.#pipe();
      this.#expect('end', 'name');
    }
    return (input) => condition(input).flatMap((one) => (truthy(one) ? yes : no)(input));
  }
}

function quietly(filter: Filter, input: Value): Value[] {
  try {
    return filter(input);
  } catch {
    return [];
  }
}
