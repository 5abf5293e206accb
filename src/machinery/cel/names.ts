/** Names of fields as expressions may write them. */

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
const expansions: Record<string, string> = { __: '__underscores__', '.': '__dot__', '-': '__dash__', '/': '__slash__' };
const contractions = new Map(Object.entries(expansions).map(([text, name]) => [name, text]));

/** The identifier for a field; undefined when there can be none. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_.\-/][\w.\-/]*$/.test(name)) return undefined;
  return name.replace(/__|[-./]/g, (part) => expansions[part] as string);
}

/** The field that an identifier stands for; undefined when it is escaped wrongly. */
export function unescapeName(identifier: string): string | undefined {
  let valid = true;
  const name = identifier.replace(/__([^_]+)__/g, (part: string, inner: string) => {
    const text =
      contractions.get(part) ?? (reserved.has(inner) && part.length === identifier.length ? inner : undefined);
    if (text === undefined) valid = false;
    return text ?? '';
  });
  return valid ? name : undefined;
}
