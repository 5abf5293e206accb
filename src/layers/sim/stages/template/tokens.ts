/** The pieces of a template: text, and actions as their words. */

export class TemplateError extends Error {
  constructor(why: string) {
    super(`template: ${why}`);
    this.name = 'TemplateError';
  }
}

export interface Word {
  kind: 'field' | 'variable' | 'name' | 'string' | 'number' | 'sign' | 'end';
  text: string;
  /** Whether it stands apart from the word before it: `.a .b` are two arguments, `.a.b` is one. */
  apart: boolean;
}

export type Piece = { kind: 'text'; text: string } | { kind: 'action'; words: Word[]; source: string; line: number };

/** Throws a `TemplateError`. */
export function piecesOf(template: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trims = false;
  const text = (until: number, trimEnd: boolean) => {
    let found = template.slice(at, until);
    if (trims) found = found.trimStart();
    if (trimEnd) found = found.trimEnd();
    if (found !== '') pieces.push({ kind: 'text', text: found });
  };
  for (;;) {
    const open = template.indexOf('{{', at);
    if (open < 0) {
      text(template.length, false);
      return pieces;
    }
    const line = template.slice(0, open).split('\n').length;
    const trimsBefore = /^\{\{-\s/.test(template.slice(open, open + 4));
    text(open, trimsBefore);
    const from = open + (trimsBefore ? 3 : 2);
    const close = closeOf(template, from, line);
    let source = template.slice(from, close);
    trims = /\s-$/.test(source);
    if (trims) source = source.slice(0, -1);
    source = source.trim();
    if (!source.startsWith('/*')) pieces.push({ kind: 'action', words: wordsOf(source, line), source, line });
    at = close + 2;
  }
}

/** Where the action ends: not inside of a string or a comment. */
function closeOf(template: string, from: number, line: number): number {
  const inside = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*'|\/\*[\s\S]*?\*\/|\}\}/g;
  inside.lastIndex = from;
  for (let found = inside.exec(template); found !== null; found = inside.exec(template))
    if (found[0] === '}}') return found.index;
  throw new TemplateError(`line ${line}: "{{" without its "}}"`);
}

const pattern =
  /(?<apart>\s*)(?:(?<field>\.[A-Za-z_]\w*)|(?<variable>\$\w*)|(?<number>[+-]?\d[\w.]*)|(?<name>[A-Za-z_]\w*)|(?<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?<sign>:=|[=|,().]))/y;

function wordsOf(source: string, line: number): Word[] {
  const words: Word[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < source.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(source)?.groups;
    if (groups === undefined)
      throw new TemplateError(
        `line ${line}: ${JSON.stringify(source.slice(at, at + 12))} is not understood in {{ ${source} }}`,
      );
    const { apart, ...kinds } = groups;
    const [kind, found] = Object.entries(kinds).find(([, value]) => value !== undefined)! as [Word['kind'], string];
    words.push({ kind, text: kind === 'string' ? stringOf(found, line) : found, apart: apart !== '' });
  }
  return [...words, { kind: 'end', text: '', apart: true }];
}

function stringOf(literal: string, line: number): string {
  if (literal.startsWith('`')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw new TemplateError(`line ${line}: ${literal} is not a string`);
  }
}
