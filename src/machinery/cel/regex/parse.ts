/**
 * Reads the regular expressions of RE2, as Go does: what would need backtracking (look-around, back-references) is refused.
 */
import { type CharSet, classNamed, foldOf, perlClass, propertySet, setOf } from './charset.ts';

export type Assertion = 'textStart' | 'textEnd' | 'lineStart' | 'lineEnd' | 'word' | 'notWord';

export type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'cat'; readonly nodes: readonly Node[] }
  | { readonly kind: 'alt'; readonly nodes: readonly Node[] }
  | {
      readonly kind: 'repeat';
      readonly node: Node;
      readonly min: number;
      readonly max: number;
      readonly greedy: boolean;
    };

/** Says what is wrong with an expression, in the words of Go's parser. */
export class RegexError {
  readonly message: string;
  constructor(what: string, part: string) {
    this.message = `error parsing regexp: ${what}: \`${part}\``;
  }
}

interface Flags {
  readonly fold: boolean;
  readonly lines: boolean;
  readonly dotAll: boolean;
  readonly ungreedy: boolean;
}

const maxRepeat = 1000;
const maxDepth = 1000;
const empty: Node = { kind: 'empty' };

/** Throws RegexError. */
export function parseRegex(pattern: string): Node {
  return new RegexParser(pattern).whole();
}

class RegexParser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #flags: Flags = { fold: false, lines: false, dotAll: false, ungreedy: false };

  constructor(source: string) {
    this.#source = source;
  }

  whole(): Node {
    const node = this.#alternation();
    if (this.#at < this.#source.length) this.#fail('unexpected )', this.#source);
    return node;
  }

  #fail(what: string, part: string): never {
    throw new RegexError(what, part);
  }

  #peek(text: string): boolean {
    return this.#source.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += text.length;
    return true;
  }

  #codePoint(): number {
    const code = this.#source.codePointAt(this.#at) as number;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  #alternation(): Node {
    if (++this.#depth > maxDepth) this.#fail('expression nests too deeply', this.#source);
    const nodes = [this.#concatenation()];
    while (this.#take('|')) nodes.push(this.#concatenation());
    this.#depth--;
    return nodes.length === 1 ? (nodes[0] as Node) : { kind: 'alt', nodes };
  }

  #concatenation(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#source.length && !this.#peek('|') && !this.#peek(')')) {
      const start = this.#at;
      const atom = this.#atom();
      if (atom) nodes.push(...(Array.isArray(atom) ? atom : [this.#repeated(atom, start)]));
    }
    return nodes.length === 0 ? empty : nodes.length === 1 ? (nodes[0] as Node) : { kind: 'cat', nodes };
  }

  /** Undefined for what only sets flags; several for a quoted run. */
  #atom(): Node | Node[] | undefined {
    const start = this.#at;
    const { lines, dotAll } = this.#flags;
    if (this.#take('(')) return this.#group(start);
    if (this.#take('[')) return { kind: 'char', set: this.#bracket(start) };
    if (this.#take('.')) return this.#char(setOf(dotAll ? [0, 0x10ffff] : [0, 9, 11, 0x10ffff]), false);
    if (this.#take('^')) return { kind: 'assert', assertion: lines ? 'lineStart' : 'textStart' };
    if (this.#take('$')) return { kind: 'assert', assertion: lines ? 'lineEnd' : 'textEnd' };
    if (/[*+?]/.test(this.#source[start] as string)) {
      this.#at++;
      this.#fail('missing argument to repetition operator', this.#source[start] as string);
    }
    if (this.#peek('{')) {
      const counts = this.#counts();
      if (counts) this.#fail('missing argument to repetition operator', this.#source.slice(start, this.#at));
    }
    if (this.#take('\\')) return this.#escaped(start);
    const code = this.#codePoint();
    return this.#char(setOf([code, code]));
  }

  #char(set: CharSet, folds = true): Node {
    return { kind: 'char', set: folds && this.#flags.fold ? foldOf(set) : set };
  }

  #repeated(atom: Node, start: number): Node {
    let node = atom;
    let last: string | undefined;
    for (;;) {
      const from = this.#at;
      const counts = this.#quantifier();
      if (!counts) return node;
      const lazy = this.#take('?');
      const written = this.#source.slice(from, this.#at);
      if (last !== undefined) this.#fail('invalid nested repetition operator', last + written);
      last = written;
      const [min, max] = counts;
      if (min > maxRepeat || (max !== Infinity && (max > maxRepeat || min > max)))
        this.#fail('invalid repeat count', written);
      node = { kind: 'repeat', node, min, max, greedy: lazy === this.#flags.ungreedy };
      if (repeatsOf(node) > maxRepeat) this.#fail('invalid repeat count', this.#source.slice(start, this.#at));
    }
  }

  #quantifier(): [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    return this.#counts();
  }

  #counts(): [number, number] | undefined {
    const shape = /\{(\d+)(,(\d*))?\}/y;
    shape.lastIndex = this.#at;
    const match = shape.exec(this.#source);
    if (!match) return undefined;
    this.#at += match[0].length;
    const min = Number(match[1]);
    return [min, match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3])];
  }

  #group(start: number): Node | undefined {
    const outer = this.#flags;
    if (this.#take('?')) {
      const named = /P?<([^>]*)>/y;
      named.lastIndex = this.#at;
      const name = named.exec(this.#source);
      if (name) {
        if (!/^\w+$/.test(name[1] as string)) this.#fail('invalid named capture', `(?${name[0]}`);
        this.#at += name[0].length;
      } else if (!this.#groupFlags(start)) return undefined;
    }
    const node = this.#alternation();
    if (!this.#take(')')) this.#fail('missing closing )', this.#source);
    this.#flags = outer;
    return node;
  }

  /** Whether a group follows; else the flags hold for the rest of this one. */
  #groupFlags(start: number): boolean {
    const shape = /([imsU]*)(?:-([imsU]+))?([:)])/y;
    shape.lastIndex = this.#at;
    const match = shape.exec(this.#source);
    if (!match || (match[0] === ')' && match[1] === '')) {
      const end = this.#at < this.#source.length ? this.#at + 1 : this.#at;
      return this.#fail(
        end === this.#at ? 'missing closing )' : 'invalid or unsupported Perl syntax',
        end === this.#at
          ? this.#source
          : this.#source.slice(start, /^\(\?<[=!]/.test(this.#source.slice(start)) ? start + 4 : end),
      );
    }
    this.#at += match[0].length;
    const on = match[1] as string;
    const off = match[2] ?? '';
    const set = (flag: string, before: boolean) => (before || on.includes(flag)) && !off.includes(flag);
    const { fold, lines, dotAll, ungreedy } = this.#flags;
    this.#flags = {
      fold: set('i', fold),
      lines: set('m', lines),
      dotAll: set('s', dotAll),
      ungreedy: set('U', ungreedy),
    };
    return match[3] === ':';
  }

  /** After a backslash. */
  #escaped(start: number): Node | Node[] {
    if (this.#at >= this.#source.length) this.#fail('trailing backslash at end of expression', '');
    if (this.#take('Q')) return this.#quoted();
    const letter = this.#source[this.#at] as string;
    const assertion = { A: 'textStart', z: 'textEnd', b: 'word', B: 'notWord' }[letter] as Assertion | undefined;
    if (assertion) {
      this.#at++;
      return { kind: 'assert', assertion };
    }
    const known = this.#classEscape(start);
    if (known) return this.#char(known);
    const code = this.#charEscape(start);
    return this.#char(setOf([code, code]));
  }

  #quoted(): Node[] {
    const end = this.#source.indexOf('\\E', this.#at);
    const text = this.#source.slice(this.#at, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#source.length : end + 2;
    const nodes = [...text].map((c) => this.#char(setOf([c.codePointAt(0) as number, c.codePointAt(0) as number])));
    const last = nodes.pop();
    return last ? [...nodes, this.#repeated(last, this.#at)] : [];
  }

  /** `\d`, `\pL`, `\p{Greek}`; undefined and nothing taken when it is another escape. */
  #classEscape(start: number): CharSet | undefined {
    const perl = perlClass(this.#source[this.#at] as string);
    if (perl) {
      this.#at++;
      return perl;
    }
    const shape = /([pP])(?:\{(\^?)([^}]*)\}|(\S))/y;
    shape.lastIndex = this.#at;
    const match = shape.exec(this.#source);
    if (!match) return undefined;
    this.#at += match[0].length;
    const negated = (match[1] === 'P') !== (match[2] === '^');
    const set = propertySet(match[3] ?? (match[4] as string), negated);
    return set ?? this.#fail('invalid character class range', this.#source.slice(start, this.#at));
  }

  #charEscape(start: number): number {
    const shape =
      /x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|([1-7][0-7]{1,2}|0[0-7]{0,2})|([afnrtv])|([^A-Za-z0-9\u0080-\uffff])/y;
    shape.lastIndex = this.#at;
    const match = shape.exec(this.#source);
    if (!match) {
      const next = String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0);
      return this.#fail('invalid escape sequence', this.#source.slice(start, this.#at) + next);
    }
    this.#at += match[0].length;
    const [, long, hex, octal, letter, plain] = match;
    if (octal !== undefined) return Number.parseInt(octal, 8);
    if (letter !== undefined) return { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }[letter] as number;
    if (plain !== undefined) return plain.charCodeAt(0);
    const code = Number.parseInt((long ?? hex) as string, 16);
    if (code > 0x10ffff) this.#fail('invalid escape sequence', this.#source.slice(start, this.#at));
    return code;
  }

  #bracket(start: number): CharSet {
    const negated = this.#take('^');
    const ranges: number[] = [];
    const parts: CharSet[] = [];
    for (let first = true; first || !this.#peek(']'); first = false) {
      if (this.#at >= this.#source.length) this.#fail('missing closing ]', this.#source.slice(start));
      const part = this.#bracketClass();
      if (part) {
        parts.push(part);
        continue;
      }
      const from = this.#at;
      const low = this.#bracketChar(start);
      let high = low;
      if (this.#peek('-') && this.#source[this.#at + 1] !== ']' && this.#at + 1 < this.#source.length) {
        this.#at++;
        high = this.#bracketChar(start);
        if (high < low) this.#fail('invalid character class range', this.#source.slice(from, this.#at));
      }
      ranges.push(low, high);
    }
    this.#at++;
    const set: CharSet = { ranges, parts, negated: false, fold: false };
    const folded = this.#flags.fold ? foldOf(set) : set;
    return negated ? { ranges: [], parts: [folded], negated: true, fold: false } : folded;
  }

  #bracketClass(): CharSet | undefined {
    const start = this.#at;
    if (this.#peek('[:')) {
      const end = this.#source.indexOf(':]', this.#at + 2);
      if (end >= 0) {
        const name = this.#source.slice(this.#at, end + 2);
        this.#at = end + 2;
        return classNamed(name) ?? this.#fail('invalid character class range', name);
      }
    }
    if (!this.#peek('\\')) return undefined;
    this.#at++;
    const set = this.#at < this.#source.length ? this.#classEscape(start) : undefined;
    if (!set) this.#at = start;
    return set;
  }

  #bracketChar(start: number): number {
    const from = this.#at;
    if (from >= this.#source.length) this.#fail('missing closing ]', this.#source.slice(start));
    if (!this.#take('\\')) return this.#codePoint();
    if (this.#at >= this.#source.length) this.#fail('trailing backslash at end of expression', '');
    return this.#charEscape(from);
  }
}

/** How often nested counts repeat their inmost part. */
function repeatsOf(node: Node): number {
  switch (node.kind) {
    case 'repeat': {
      const times = node.max === Infinity ? node.min : node.max;
      return Math.max(1, times) * repeatsOf(node.node);
    }
    case 'cat':
    case 'alt':
      return Math.max(...node.nodes.map(repeatsOf));
    default:
      return 1;
  }
}
