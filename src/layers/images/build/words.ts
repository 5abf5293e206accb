/** Words and variables as a Dockerfile has them: quotes, escapes, `$a`, `${a}`, `${a:-b}`, `${a:+b}`, `${a:?b}`. */

export type Lookup = (name: string) => string | undefined;

/** Variables replaced, quotes kept. Throws on a bad substitution. */
export function expand(text: string, lookup: Lookup, escape = '\\'): string {
  let out = '';
  let single = false;
  for (let at = 0; at < text.length; at += 1) {
    const here = text[at] ?? '';
    if (here === "'") single = !single;
    if (here === escape && !single && at + 1 < text.length) {
      out += text[at + 1] === '$' ? '$' : here + text[at + 1];
      at += 1;
    } else if (here === '$' && !single) {
      const taken = variable(text, at, lookup, escape);
      out += taken.value;
      at = taken.end - 1;
    } else out += here;
  }
  return out;
}

function variable(text: string, at: number, lookup: Lookup, escape: string): { value: string; end: number } {
  const plain = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(text.slice(at));
  if (plain) return { value: lookup(plain[1] ?? '') ?? '', end: at + plain[0].length };
  if (text[at + 1] !== '{') return { value: '$', end: at + 1 };
  const end = closing(text, at + 2);
  const inner = text.slice(at + 2, end);
  const found = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?$/s.exec(inner);
  if (!found)
    throw new Error(
      `"\${${inner}}" is not a substitution that is supported; there are \${a}, \${a:-b}, \${a:+b} and \${a:?b}`,
    );
  const [, name = '', operator = '', other = ''] = found;
  const value = lookup(name);
  const there = operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
  const alternative = () => expand(other, lookup, escape);
  if (operator.endsWith('?') && !there) throw new Error(`${name}: ${alternative() || 'it is not set'}`);
  const chosen = operator.endsWith('+')
    ? there
      ? alternative()
      : ''
    : there || operator === ''
      ? (value ?? '')
      : alternative();
  return { value: chosen, end: end + 1 };
}

function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error('a "${" has no "}"');
}

/** Splits at spaces outside quotes; quotes and escapes are taken away. */
export function words(text: string, escape = '\\'): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const here = text[at] ?? '';
    if (here === escape && quote !== "'" && at + 1 < text.length) {
      word = (word ?? '') + text[++at];
    } else if (quote !== '') {
      if (here === quote) quote = '';
      else word += here;
    } else if (here === '"' || here === "'") {
      quote = here;
      word ??= '';
    } else if (/\s/.test(here)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? '') + here;
  }
  if (quote !== '') throw new Error(`a ${quote} has no counterpart`);
  if (word !== undefined) found.push(word);
  return found;
}

/** `a=b "c d"=e` as pairs; the old form `a b c` as one pair. */
export function pairs(text: string, escape = '\\'): [string, string][] {
  const first = /^\S+/.exec(text)?.[0] ?? '';
  if (!first.includes('=')) {
    const name = words(first, escape)[0] ?? '';
    return [[name, words(`"${text.slice(first.length).trim().replaceAll('"', '\\"')}"`, escape)[0] ?? '']];
  }
  return words(text, escape).map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) throw new Error(`${JSON.stringify(word)} is not of the form name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}
