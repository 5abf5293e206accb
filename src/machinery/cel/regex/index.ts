/**
 * Regular expressions with the syntax and the meaning of RE2, as Kubernetes' own are: leftmost match, first alternative first.
 * The time of a match grows with the text only, never with its powers: the expression is run as an automaton.
 */
import { includes } from './charset.ts';
import { parseRegex } from './parse.ts';
import { type Instruction, programOf } from './program.ts';

export { RegexError } from './parse.ts';

const textEnd = -1;
const maxStates = 500;

/** What stands before a place: nothing, a word character, a line's end, another. */
type Before = 0 | 1 | 2 | 3;

interface State {
  readonly threads: readonly number[];
  readonly before: Before;
  /** By code point; dense for ASCII. */
  readonly ascii: (State | undefined)[];
  readonly others: Map<number, State>;
}

const accepted: State = { threads: [], before: 3, ascii: [], others: new Map() };

const isWord = (code: number) =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);
const beforeOf = (code: number): Before => (code === 10 ? 2 : isWord(code) ? 1 : 3);

export class Regex {
  readonly pattern: string;
  readonly #program: Instruction[];
  readonly #anchored: boolean;
  #states = new Map<string, State>();
  #start: State;

  /** Throws RegexError. */
  constructor(pattern: string) {
    this.pattern = pattern;
    this.#program = programOf(parseRegex(pattern));
    const [first] = this.#program;
    this.#anchored = first?.op === 'assert' && first.assertion === 'textStart';
    this.#start = this.#state([0], 0);
  }

  /** Whether the expression matches anywhere in the text. */
  test(text: string): boolean {
    let state = this.#start;
    for (let i = 0; i < text.length; i++) {
      let code = text.charCodeAt(i);
      if (code >= 0xd800 && code < 0xdc00) {
        code = text.codePointAt(i) as number;
        if (code > 0xffff) i++;
      }
      state = (code < 128 ? state.ascii[code] : state.others.get(code)) ?? this.#step(state, code);
      if (state === accepted) return true;
      if (state.threads.length === 0 && this.#anchored) return false;
    }
    return this.#closure(state.threads, state.before, textEnd) === undefined;
  }

  #state(threads: readonly number[], before: Before): State {
    const key = `${before}:${threads.join()}`;
    const known = this.#states.get(key);
    if (known) return known;
    if (this.#states.size >= maxStates) this.#forget();
    const state: State = { threads, before, ascii: [], others: new Map() };
    this.#states.set(key, state);
    return state;
  }

  /** States are many only for odd expressions over odd texts; then they are made anew. */
  #forget(): void {
    this.#states = new Map();
    this.#start = { threads: [0], before: 0, ascii: [], others: new Map() };
  }

  #step(state: State, code: number): State {
    const next = this.#following(state, code);
    if (code < 128) state.ascii[code] = next;
    else if (state.others.size < maxStates) state.others.set(code, next);
    return next;
  }

  #following(state: State, code: number): State {
    const reached = this.#closure(state.threads, state.before, code);
    if (!reached) return accepted;
    const threads = new Set<number>();
    for (const at of reached) {
      const instruction = this.#program[at] as Extract<Instruction, { op: 'char' }>;
      if (includes(instruction.set, code)) threads.add(instruction.next);
    }
    if (!this.#anchored) threads.add(0);
    return this.#state([...threads], beforeOf(code));
  }

  /** The places that wait for a character; undefined when the match is reached on the way. */
  #closure(threads: readonly number[], before: Before, next: number): number[] | undefined {
    const reached: number[] = [];
    const seen = new Set<number>();
    const pending = threads.toReversed();
    while (pending.length > 0) {
      const at = pending.pop() as number;
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = this.#program[at] as Instruction;
      if (instruction.op === 'match') return undefined;
      if (instruction.op === 'char') reached.push(at);
      else if (instruction.op === 'split') pending.push(instruction.other, instruction.next);
      else if (instruction.op === 'jump' || holds(instruction.assertion, before, next)) pending.push(instruction.next);
    }
    return reached;
  }

  /** The leftmost match at or after `from`: its start and its end, in UTF-16 units. */
  find(text: string, from = 0): readonly [number, number] | undefined {
    let threads: [number, number][] = [];
    let best: readonly [number, number] | undefined;
    let before: Before = from === 0 ? 0 : beforeOf(codeBefore(text, from));
    for (let i = from; ; ) {
      const code = i < text.length ? (text.codePointAt(i) as number) : textEnd;
      if (!best) threads.push([0, i]);
      const seen = new Set<number>();
      const following: [number, number][] = [];
      for (const [at, start] of threads) {
        const matched = this.#follow(at, before, code, seen, (next) => following.push([next, start]));
        if (!matched) continue;
        best = [start, i];
        break;
      }
      if (code === textEnd || (best && following.length === 0)) return best;
      threads = following;
      before = beforeOf(code);
      i += code > 0xffff ? 2 : 1;
    }
  }

  /** Follows one thread, best first, and stops at the match. */
  #follow(start: number, before: Before, code: number, seen: Set<number>, reach: (next: number) => void): boolean {
    const pending = [start];
    while (pending.length > 0) {
      const at = pending.pop() as number;
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = this.#program[at] as Instruction;
      if (instruction.op === 'match') return true;
      if (instruction.op === 'char') {
        if (code !== textEnd && includes(instruction.set, code)) reach(instruction.next);
      } else if (instruction.op === 'split') pending.push(instruction.other, instruction.next);
      else if (instruction.op === 'jump' || holds(instruction.assertion, before, code)) pending.push(instruction.next);
    }
    return false;
  }

  /** All matches that do not overlap, at most `limit` of them; an empty one right after another does not count. */
  findAll(text: string, limit = Infinity): string[] {
    const found: string[] = [];
    let previousEnd = -1;
    for (let at = 0; at <= text.length && found.length < limit; ) {
      const match = this.find(text, at);
      if (!match) break;
      const [start, end] = match;
      if (end > start || start !== previousEnd) found.push(text.slice(start, end));
      previousEnd = end;
      at = end > start ? end : start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
    }
    return found;
  }
}

function codeBefore(text: string, at: number): number {
  const code = text.charCodeAt(at - 1);
  return code >= 0xdc00 && code < 0xe000 && at > 1 ? (text.codePointAt(at - 2) as number) : code;
}

function holds(assertion: string, before: Before, next: number): boolean {
  switch (assertion) {
    case 'textStart':
      return before === 0;
    case 'textEnd':
      return next === textEnd;
    case 'lineStart':
      return before === 0 || before === 2;
    case 'lineEnd':
      return next === textEnd || next === 10;
    default: {
      const boundary = (before === 1) !== (next !== textEnd && isWord(next));
      return boundary === (assertion === 'word');
    }
  }
}

const cache = new Map<string, Regex>();
const cacheLimit = 256;

/** The compiled form of a pattern, made once for those used often. Throws RegexError. */
export function regexOf(pattern: string): Regex {
  const known = cache.get(pattern);
  if (known) return known;
  const regex = new Regex(pattern);
  if (cache.size >= cacheLimit) cache.clear();
  cache.set(pattern, regex);
  return regex;
}
