/**
 * From text to values, as strictly as the API server must be: bounded depth and size, no field that means something else to this language, and
 * fields that come twice told. Nothing here knows what the values are for.
 */
import { load as parseYaml, type LoadOptions } from 'js-yaml';
import { isObject, StatusError } from '../machinery/index.ts';

const depthLimit = 1000;
const yamlOptions: LoadOptions = { maxAliases: 100 };

/** Not JSON at all; who knows what was expected says so with it. */
export class UnreadableJson extends StatusError {
  readonly problem: string;

  constructor(problem: string) {
    super('BadRequest', `the body is not valid JSON: ${problem}`);
    this.name = 'UnreadableJson';
    this.problem = problem;
  }
}

export function jsonOf(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UnreadableJson((error as Error).message);
  }
  // the name can be written with escapes, too
  return checked(value, Infinity, text.includes('__proto__') || text.includes('\\u00'));
}

export function yamlOf(text: string): unknown {
  let value: unknown;
  try {
    value = parseYaml(text, yamlOptions);
  } catch (error) {
    throw StatusError.badRequest(`the body is not valid YAML: ${yamlProblem(text, (error as Error).message)}`);
  }
  // every value takes a byte of text at least: with more of them, aliases have multiplied
  return checked(value, text.length + 1, true);
}

/** A name that comes twice is told with the words that clients look for. */
function yamlProblem(text: string, message: string): string {
  const first = message.split('\n')[0]!;
  const [, line, column] = /^duplicated mapping key \((\d+):(\d+)\)/.exec(first) ?? [];
  if (line === undefined) return first;
  const rest = text.split('\n')[Number(line) - 1]!.slice(Number(column) - 1);
  const [key = ''] = /^("[^"]*"|'[^']*'|[^:]*)/.exec(rest) ?? [];
  const name = key.trim().replace(/^["'](.*)["']$/, '$1');
  return `line ${line}: key ${JSON.stringify(name.slice(0, 200))} already set in map`;
}

function checked(value: unknown, most: number, suspicious: boolean): unknown {
  let seen = 0;
  const visit = (of: object, depth: number): void => {
    if (depth > depthLimit) throw StatusError.badRequest(`the body is nested deeper than ${depthLimit} levels`);
    if (suspicious && Object.hasOwn(of, '__proto__'))
      throw StatusError.badRequest('a field may not be named "__proto__"');
    for (const name in of) {
      const inner = (of as Record<string, unknown>)[name];
      if (++seen > most)
        throw StatusError.badRequest('the body is not valid YAML: its aliases make it many times as large');
      if (typeof inner === 'object' && inner !== null) visit(inner, depth + 1);
    }
  };
  if (typeof value === 'object' && value !== null) visit(value, 1);
  return value;
}

/**
 * The paths of fields that a JSON text has twice in one object, such as `spec.replicas`. `value` is what was read from the text. Costs little when
 * there are none.
 */
export function duplicatesIn(text: string, value: unknown): string[] {
  if (!isObject(value) || surelyDistinct(text, value)) return [];
  return new DuplicateFinder(text).find();
}

/** As many `":` as there are fields, and no other way to write one: then each is written once. */
function surelyDistinct(text: string, value: unknown): boolean {
  if (/\s:/.test(text)) return false;
  let left = fieldsOf(value);
  for (let at = text.indexOf('":'); at >= 0; at = text.indexOf('":', at + 2)) if (--left < 0) return false;
  return left === 0;
}

function fieldsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += fieldsOf(item);
  else for (const name in value) count += 1 + fieldsOf((value as Record<string, unknown>)[name]);
  return count;
}

const mostTold = 100;

/** Walks a text that is known to be JSON. */
class DuplicateFinder {
  readonly #text: string;
  readonly #found: string[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  find(): string[] {
    this.#value('');
    return this.#found;
  }

  #value(path: string): void {
    const first = this.#peek();
    if (first === '{') this.#object(path);
    else if (first === '[') this.#array(path);
    else if (first === '"') this.#string();
    else while (this.#at < this.#text.length && !/[\s,\]}]/.test(this.#text[this.#at]!)) this.#at++;
  }

  #object(path: string): void {
    const names = new Set<string>();
    this.#at++;
    while (this.#peek() !== '}') {
      const name = this.#string();
      const here = path === '' ? name : `${path}.${name}`;
      if (names.has(name) && this.#found.length < mostTold) this.#found.push(here);
      names.add(name);
      this.#peek();
      this.#at++; // the colon
      this.#value(here);
      if (this.#peek() === ',') this.#at++;
    }
    this.#at++;
  }

  #array(path: string): void {
    this.#at++;
    for (let index = 0; this.#peek() !== ']'; index++) {
      this.#value(`${path}[${index}]`);
      if (this.#peek() === ',') this.#at++;
    }
    this.#at++;
  }

  /** Skips white space. */
  #peek(): string | undefined {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
    return this.#text[this.#at];
  }

  #string(): string {
    const from = this.#at;
    this.#peek();
    this.#at++;
    while (this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    this.#at++;
    return JSON.parse(this.#text.slice(from, this.#at)) as string;
  }
}
