/** Where something stands in an expression, and how a mistake in it is shown. */

export interface Issue {
  readonly message: string;
  /** In UTF-16 units from the start of the source. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** From 1, in code points. */
  readonly column: number;
}

export function issueAt(source: string, offset: number, message: string): Issue {
  const before = source.slice(0, offset);
  const start = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let i = before.indexOf('\n'); i >= 0; i = before.indexOf('\n', i + 1)) line++;
  return { message, offset, line, column: Array.from(before.slice(start)).length + 1 };
}

/** The issues with the lines that they are about, as Kubernetes shows them. */
export function formatIssues(source: string, issues: readonly Issue[]): string {
  const lines = source.split('\n');
  return issues
    .map(({ message, line, column }) => {
      const text = (lines[line - 1] ?? '').replaceAll('\t', ' ');
      const pointed = [...text].slice(0, column - 1);
      const dots = pointed.map((c) => (c.length > 1 || c > '\u00ff' ? '．' : '.')).join('');
      const at = [...text][column - 1] ?? '';
      const mark = at > '\u00ff' ? '＾' : '^';
      return `ERROR: <input>:${line}:${column}: ${message}\n | ${text}\n | ${dots}${mark}`;
    })
    .join('\n');
}

/** A mistake in an expression, found while it was read or checked. */
export class SyntaxProblem {
  readonly offset: number;
  readonly message: string;
  constructor(offset: number, message: string) {
    this.offset = offset;
    this.message = message;
  }
}

/** A mistake that shows only when a well-typed expression is prepared: a constant that cannot be converted. */
export class InstantiationProblem extends SyntaxProblem {}
