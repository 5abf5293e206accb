/** Mistakes that types do not show, found before anything is evaluated. */
import type { Call, Expr } from './ast.ts';
import { durationOfText, timestampOfText } from './library/conversions.ts';
import { formatProblem } from './library/format.ts';
import { regexOf } from './regex/index.ts';
import { SyntaxProblem } from './source.ts';
import { formatType, sameType, type Type, unwrapOptional } from './types.ts';
import { childrenOf } from './walk.ts';

/** Of a checked expression. */
export function validate(expr: Expr, mixedLiterals: boolean): SyntaxProblem[] {
  const problems: SyntaxProblem[] = [];
  const visit = (node: Expr, exempt: boolean): void => {
    if (node.kind === 'call') validateCall(node, problems);
    if (!exempt) validateItems(node, problems);
    for (const child of childrenOf(node)) visit(child, exempt || (node.kind === 'call' && node.name === 'format'));
  };
  visit(expr, mixedLiterals);
  return problems;
}

const literals: Record<string, (text: string) => unknown> = {
  duration: durationOfText,
  timestamp: timestampOfText,
  matches: regexOf,
};

function validateCall(call: Call, problems: SyntaxProblem[]): void {
  const [argument] = call.args;
  const reading = literals[call.name];
  if (reading && argument?.kind === 'literal' && typeof argument.value === 'string') {
    try {
      reading(argument.value);
    } catch {
      problems.push(new SyntaxProblem(argument.offset, `invalid ${call.name} argument`));
    }
  }
  const { target } = call;
  if (call.name !== 'format' || target?.kind !== 'literal' || argument?.kind !== 'list') return;
  const found = formatProblem(String(target.value), argument.elements);
  if (found) problems.push(new SyntaxProblem((found.element ?? call).offset, found.message));
}

function validateItems(node: Expr, problems: SyntaxProblem[]): void {
  const agree = (items: readonly { expr: Expr; optional: boolean }[]): void => {
    let first: Type | undefined;
    for (const { expr, optional } of items) {
      const type = optional ? unwrapOptional(expr.type as Type) : (expr.type as Type);
      first ??= type;
      if (sameType(first, type)) continue;
      const message = `expected type '${formatType(first)}' but found '${formatType(type)}'`;
      problems.push(new SyntaxProblem(expr.offset, message));
      return;
    }
  };
  if (node.kind === 'list') agree(node.elements.map((expr, i) => ({ expr, optional: node.optionals.includes(i) })));
  if (node.kind !== 'map') return;
  agree(node.entries.map(({ key }) => ({ expr: key, optional: false })));
  agree(node.entries.map(({ value, optional }) => ({ expr: value, optional })));
}
