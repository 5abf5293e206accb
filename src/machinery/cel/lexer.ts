/** Source text to tokens. */
import { SyntaxProblem } from './source.ts';

export type TokenKind = 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'ident' | 'quoted' | 'op' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** The text as written; of a quoted identifier, what stands between the backquotes. */
  readonly text: string;
  readonly offset: number;
}

const whitespace = /(?:[ \t\r\n\f]|\/\/[^\n]*)*/y;
const number = /0x[0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?/y;
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
const quoted = /`[A-Za-z0-9_.\-/ ]+`/y;
const operator = /==|!=|<=|>=|&&|\|\||[<>()[\]{}.,\-!?:+*/%=]/y;
const escape = /\\(?:[abfnrtv"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/y;
const prefix = /[bB]?[rR]?(?:"""|'''|"|')/y;

export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  for (;;) {
    at += match(whitespace)?.length ?? 0;
    if (at >= source.length) break;
    const start = at;
    const opening = match(prefix);
    if (opening !== undefined) {
      at = stringEnd(source, at, opening);
      const text = source.slice(start, at);
      tokens.push({ kind: /^[bB]/.test(text) ? 'bytes' : 'string', text, offset: start });
      continue;
    }
    const token = numberToken(match(number), start) ?? wordToken(match(identifier), start);
    if (token) {
      tokens.push(token);
      at += token.text.length;
      continue;
    }
    const name = match(quoted);
    if (name !== undefined) {
      tokens.push({ kind: 'quoted', text: name.slice(1, -1), offset: start });
      at += name.length;
      continue;
    }
    const op = match(operator);
    if (op === undefined || op === '=') throw new SyntaxProblem(start, unrecognized(source, start));
    tokens.push({ kind: 'op', text: op, offset: start });
    at += op.length;
  }
  tokens.push({ kind: 'end', text: '<EOF>', offset: source.length });
  return tokens;
}

function unrecognized(source: string, at: number): string {
  return `Syntax error: token recognition error at: '${String.fromCodePoint(source.codePointAt(at) ?? 0)}'`;
}

function numberToken(text: string | undefined, offset: number): Token | undefined {
  if (text === undefined) return undefined;
  if (/[uU]$/.test(text)) return { kind: 'uint', text, offset };
  return { kind: text.startsWith('0x') || /^\d+$/.test(text) ? 'int' : 'double', text, offset };
}

function wordToken(text: string | undefined, offset: number): Token | undefined {
  if (text === undefined) return undefined;
  return { kind: text === 'in' ? 'op' : 'ident', text, offset };
}

function stringEnd(source: string, start: number, opening: string): number {
  const raw = /[rR]/.test(opening);
  const quote = opening.replace(/^[bBrR]+/, '');
  let at = start + opening.length;
  while (at < source.length) {
    if (source.startsWith(quote, at)) return at + quote.length;
    const c = source[at] as string;
    if (quote.length === 1 && (c === '\n' || c === '\r')) break;
    if (c === '\\' && !raw) {
      escape.lastIndex = at;
      const found = escape.exec(source);
      if (!found) throw new SyntaxProblem(start, tokenError(source, start, at + 2));
      at += found[0].length;
    } else at++;
  }
  throw new SyntaxProblem(start, tokenError(source, start, at));
}

const tokenError = (source: string, from: number, to: number) =>
  `Syntax error: token recognition error at: '${source.slice(from, to).replaceAll('\n', '\\n')}'`;
