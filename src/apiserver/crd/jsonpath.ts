/**
 * The JSONPath of printer columns: fields by dot or in quotes, indexes, slices, wildcards, filters such as `[?(@.type=="Ready")]`, descent (`..`). A
 * path is read once; what a path does not find is no error.
 */
import { isObject } from '../../machinery/index.ts';

/** All that the path leads to, in order. */
export type JsonPath = (value: unknown) => unknown[];

type Step = (value: unknown, found: unknown[]) => void;

/** Reads a path such as `.status.conditions[?(@.type=="Ready")].status`. Throws an `Error` that says what cannot be read. */
export function jsonPathOf(text: string): JsonPath {
  const steps = new Reader(text).steps();
  return (value) => {
    let at = [value];
    for (const step of steps) {
      const next: unknown[] = [];
      for (const one of at) step(one, next);
      at = next;
    }
    return at;
  };
}

function field(name: string): Step {
  return (value, found) => {
    if (isObject(value) && Object.hasOwn(value, name)) found.push(value[name]);
  };
}

const wildcard: Step = (value, found) => {
  if (Array.isArray(value)) found.push(...value);
  else if (isObject(value)) found.push(...Object.values(value));
};

/** The value itself and all below it. */
const descent: Step = (value, found) => {
  found.push(value);
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) descent(inner, found);
};

function slice(from: number | undefined, to: number | undefined, by: number): Step {
  return (value, found) => {
    if (Array.isArray(value))
      for (const [i, item] of value.slice(from, to).entries()) if (i % by === 0) found.push(item);
  };
}

function index(at: number): Step {
  return (value, found) => {
    if (!Array.isArray(value)) return;
    const item = value.at(at);
    if (item !== undefined) found.push(item);
  };
}

function filter(holds: (item: unknown) => boolean): Step {
  return (value, found) => {
    if (Array.isArray(value)) for (const item of value) if (holds(item)) found.push(item);
  };
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.startsWith('$') ? text.slice(1) : text;
  }

  steps(): Step[] {
    const steps: Step[] = [];
    while (this.#at < this.#text.length) {
      if (this.#text.startsWith('..', this.#at)) {
        this.#at++;
        steps.push(descent);
        if (this.#text[this.#at + 1] === '[') this.#at++;
      } else if (this.#text[this.#at] === '.') {
        this.#at++;
        const name = this.#name();
        if (name === '*') steps.push(wildcard);
        // a path of nothing but a dot is the object itself
        else if (name !== '') steps.push(field(name));
      } else if (this.#text[this.#at] === '[') steps.push(this.#bracket());
      else throw new Error(`${JSON.stringify(this.#text)}: a "." or "[" is expected at ${this.#at + 1}`);
    }
    return steps;
  }

  /** Up to the next step; a backslash takes the dot's meaning away. */
  #name(): string {
    let name = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const next = this.#text[this.#at]!;
      if (next === '.' || next === '[') break;
      name += next === '\\' ? (this.#text[++this.#at] ?? '') : next;
    }
    return name;
  }

  #bracket(): Step {
    const inner = this.#inside();
    if (inner.startsWith('?(') && inner.endsWith(')')) return filter(conditionOf(inner.slice(2, -1)));
    const names = /^(?:'[^']*'|"[^"]*")(?:\s*,\s*(?:'[^']*'|"[^"]*"))*$/.test(inner)
      ? [...inner.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single ?? double!)
      : undefined;
    if (names) return union(names.map(field));
    if (inner === '*') return wildcard;
    const parts = /^(-?\d*):(-?\d*)(?::(\d+))?$/.exec(inner);
    if (parts) return slice(numberOf(parts[1]), numberOf(parts[2]), Math.max(1, Number(parts[3] ?? 1)));
    if (/^-?\d+(\s*,\s*-?\d+)*$/.test(inner)) return union(inner.split(',').map((one) => index(Number(one))));
    throw new Error(`${JSON.stringify(this.#text)}: [${inner}] cannot be read`);
  }

  /** What is between the bracket here and its other half. */
  #inside(): string {
    const from = ++this.#at;
    let depth = 1;
    let quote = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const next = this.#text[this.#at]!;
      if (quote !== '') quote = next === quote ? '' : quote;
      else if (next === '"' || next === "'") quote = next;
      else if (next === '[') depth++;
      else if (next === ']' && --depth === 0) return this.#text.slice(from, this.#at++).trim();
    }
    throw new Error(`${JSON.stringify(this.#text)}: the "[" at ${from} is not closed`);
  }
}

function union(steps: Step[]): Step {
  if (steps.length === 1) return steps[0]!;
  return (value, found) => {
    for (const step of steps) step(value, found);
  };
}

const numberOf = (text: string | undefined): number | undefined => (text ? Number(text) : undefined);

/** Of a filter: whether a path is there, or how it compares with a text, a number or another path. */
function conditionOf(text: string): (item: unknown) => boolean {
  const [, left = '', operator, right = ''] = /^\s*(.+?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?$/s.exec(text) ?? [];
  const first = operandOf(left);
  if (operator === undefined) return (item) => first(item) !== undefined;
  const second = operandOf(right);
  const compare = comparisons[operator]!;
  return (item) => compare(first(item), second(item));
}

type Comparison = (a: any, b: any) => boolean;

const comparisons: Record<string, Comparison> = {
  __proto__: null as never,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => typeof a === typeof b && a < b,
  '>': (a, b) => typeof a === typeof b && a > b,
  '<=': (a, b) => typeof a === typeof b && a <= b,
  '>=': (a, b) => typeof a === typeof b && a >= b,
};

function operandOf(text: string): (item: unknown) => unknown {
  if (text.startsWith('@')) {
    const path = text === '@' ? jsonPathOf('.') : jsonPathOf(text.slice(1));
    return (item) => path(item)[0];
  }
  const quoted = /^'([^']*)'$|^"([^"]*)"$/.exec(text);
  if (quoted) return () => quoted[1] ?? quoted[2];
  if (text === 'true' || text === 'false') return () => text === 'true';
  const number = Number(text);
  if (text === '' || Number.isNaN(number)) throw new Error(`${JSON.stringify(text)} is no path, text or number`);
  return () => number;
}
