/** `$(NAME)` in commands, arguments and values; `$$` is a plain `$`. An unknown name stays as it was written. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes('$')) return text;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    const next = text[i + 1];
    if (char !== '$' || next === undefined) {
      out += char;
      continue;
    }
    if (next === '$') {
      out += '$';
      i++;
      continue;
    }
    const end = next === '(' ? text.indexOf(')', i + 2) : -1;
    if (next !== '(') {
      out += `$${next}`;
      i++;
    } else if (end < 0) {
      out += '$(';
      i++;
    } else {
      const name = text.slice(i + 2, end);
      out += lookup(name) ?? `$(${name})`;
      i = end;
    }
  }
  return out;
}
