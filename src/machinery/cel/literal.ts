/** What the text of a literal stands for. */
import { SyntaxProblem } from './source.ts';
import { Double, Uint, intOf, maxInt, maxUint, minInt } from './values.ts';
import { encodeUtf8 } from './bytes.ts';

export function intLiteral(text: string, negative: boolean, offset: number): unknown {
  const value = negative ? -BigInt(text) : BigInt(text);
  if (value < minInt || value > maxInt) throw new SyntaxProblem(offset, 'invalid int literal');
  return intOf(value);
}

export function uintLiteral(text: string, offset: number): Uint {
  const value = BigInt(text.slice(0, -1));
  if (value > maxUint) throw new SyntaxProblem(offset, 'invalid uint literal');
  return new Uint(value);
}

export function doubleLiteral(text: string, negative: boolean, offset: number): Double {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new SyntaxProblem(offset, 'invalid double literal');
  return new Double(negative ? -value : value);
}

const simple: Record<string, number> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '"': 34,
  "'": 39,
  '\\': 92,
  '?': 63,
  '`': 96,
};

export function stringLiteral(text: string, offset: number): string {
  const { body, raw } = unquote(text);
  if (raw || !body.includes('\\')) return body;
  let result = '';
  forEachPiece(body, (plain, code) => {
    if (plain !== undefined) result += plain;
    else {
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        throw new SyntaxProblem(offset, 'invalid unicode code point');
      result += String.fromCodePoint(code);
    }
  });
  return result;
}

export function bytesLiteral(text: string, offset: number): Uint8Array {
  const { body, raw } = unquote(text.slice(1));
  if (raw || !body.includes('\\')) return encodeUtf8(body);
  const bytes: number[] = [];
  forEachPiece(body, (plain, code, kind) => {
    if (plain !== undefined) bytes.push(...encodeUtf8(plain));
    else if (kind === 'u' || kind === 'U') throw new SyntaxProblem(offset, 'unable to unescape string');
    else bytes.push(code);
  });
  return Uint8Array.from(bytes);
}

function unquote(text: string): { body: string; raw: boolean } {
  const raw = /^[rR]/.test(text);
  const quoted = raw ? text.slice(1) : text;
  const width = /^("""|''')/.test(quoted) ? 3 : 1;
  return { body: quoted.slice(width, quoted.length - width).replace(/\r\n?/g, '\n'), raw };
}

/** Calls with each run of plain text, or with each escape: its number and its letter. */
function forEachPiece(body: string, call: (plain: string | undefined, code: number, kind: string) => void): void {
  let at = 0;
  while (at < body.length) {
    const next = body.indexOf('\\', at);
    if (next !== at) call(body.slice(at, next < 0 ? undefined : next), 0, '');
    if (next < 0) return;
    const kind = body[next + 1] as string;
    const digits = { x: 2, X: 2, u: 4, U: 8 }[kind];
    if (digits !== undefined) {
      call(undefined, Number.parseInt(body.slice(next + 2, next + 2 + digits), 16), kind);
      at = next + 2 + digits;
    } else if (kind >= '0' && kind <= '3') {
      call(undefined, Number.parseInt(body.slice(next + 1, next + 4), 8), kind);
      at = next + 4;
    } else {
      call(undefined, simple[kind] as number, kind);
      at = next + 2;
    }
  }
}
