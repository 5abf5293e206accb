/** The words of a JSON query. */

export interface Token {
  kind: 'name' | 'field' | 'string' | 'number' | 'sign' | 'end';
  text: string;
}

export class QueryError extends Error {
  constructor(query: string, why: string) {
    super(`query ${JSON.stringify(query)}: ${why}`);
    this.name = 'QueryError';
  }
}

const pattern =
  /\s*(?:(?<field>\.[A-Za-z_]\w*)|(?<name>[A-Za-z_]\w*)|(?<string>"(?:[^"\\]|\\.)*")|(?<number>\d+(?:\.\d+)?)|(?<sign>\/\/|==|!=|<=|>=|[.[\](){}|,:<>+\-*/%?;]))/y;

export function tokensOf(query: string): Token[] {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  const text = query.trimEnd();
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const { groups } = pattern.exec(text) ?? {};
    if (groups === undefined)
      throw new QueryError(query, `${JSON.stringify(text.slice(at, at + 12))} is not understood`);
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined)! as [Token['kind'], string];
    tokens.push({ kind, text: kind === 'string' ? stringOf(query, found) : kind === 'field' ? found.slice(1) : found });
  }
  return [...tokens, { kind: 'end', text: '' }];
}

function stringOf(query: string, literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw new QueryError(query, `${literal} is not a string`);
  }
}
