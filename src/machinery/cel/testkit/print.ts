/** A syntax tree as source that means it. */
import type { Expr } from '../ast.ts';
import { Double, Uint } from '../values.ts';

const prefixes: Record<string, string> = { '!_': '!', '-_': '-' };

/** Every operation in parentheses of its own. */
export function print(expr: Expr): string {
  if (expr.written) return print(expr.written);
  switch (expr.kind) {
    case 'literal':
      return printLiteral(expr.value);
    case 'ident':
      return expr.name;
    case 'select':
      return expr.test ? `has(${operand(expr.operand)}.${expr.field})` : `${operand(expr.operand)}.${expr.field}`;
    case 'call':
      return printCall(expr.name, expr.target, expr.args);
    case 'list':
      return `[${expr.elements.map((one, i) => (expr.optionals.includes(i) ? `?${print(one)}` : print(one))).join(', ')}]`;
    case 'map':
      return `{${expr.entries.map(({ key, value, optional }) => `${optional ? '?' : ''}${print(key)}: ${print(value)}`).join(', ')}}`;
    case 'struct':
      return `${expr.name}{${expr.fields.map(({ name, value, optional }) => `${optional ? '?' : ''}${name}: ${print(value)}`).join(', ')}}`;
    case 'comprehension':
      throw new Error('a comprehension is written as a macro');
  }
}

/** In parentheses where something follows it. */
function operand(expr: Expr): string {
  const text = print(expr);
  return expr.kind === 'ident' || expr.kind === 'select' || expr.kind === 'list' ? text : `(${text})`;
}

function printCall(name: string, target: Expr | undefined, args: readonly Expr[]): string {
  const [a, b, c] = args as [Expr, Expr, Expr];
  if (target) return `${operand(target)}.${name}(${args.map(print).join(', ')})`;
  if (name === '_?_:_') return `(${print(a)} ? ${print(b)} : ${print(c)})`;
  if (name === '_[_]') return `${operand(a)}[${print(b)}]`;
  if (name === '_[?_]') return `${operand(a)}[?${print(b)}]`;
  if (name === '_?._') return `${operand(a)}.?${(b as { value?: unknown }).value}`;
  if (name === '@in') return `(${print(a)} in ${print(b)})`;
  if (prefixes[name]) return `${prefixes[name]}(${print(a)})`;
  const infix = /^_(.+)_$/.exec(name);
  return infix ? `(${print(a)} ${infix[1]} ${print(b)})` : `${name}(${args.map(print).join(', ')})`;
}

function printLiteral(value: unknown): string {
  if (typeof value === 'string') return printText([...value].map((c) => c.codePointAt(0) as number));
  if (value instanceof Uint) return `${value.value}u`;
  if (value instanceof Double) return printDouble(value.value);
  if (value instanceof Uint8Array)
    return `b"${Array.from(value, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}"`;
  return String(value);
}

function printDouble(value: number): string {
  const text = Object.is(value, -0) ? '-0.0' : String(value);
  return /[.e]/.test(text) ? text.replace('e+', 'e') : `${text}.0`;
}

function printText(points: readonly number[]): string {
  const plain = (code: number) => code >= 32 && code !== 34 && code !== 92 && (code < 127 || code > 160);
  return `"${points.map((code) => (plain(code) ? String.fromCodePoint(code) : `\\U${code.toString(16).padStart(8, '0')}`)).join('')}"`;
}
