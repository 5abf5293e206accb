/** How templates see values: as Go's text/template does, but that what is not there has no fields instead of failing. */
export type Value = unknown;

export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value !== null && typeof value === 'object') return Object.keys(value).length > 0;
  return Boolean(value);
}

export function fieldsOf(value: Value, names: readonly string[]): Value {
  let found = value;
  for (const name of names) {
    if (found === null || typeof found !== 'object' || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, Value>)[name];
  }
  return found;
}

export function asText(value: Value): string {
  if (value === null || value === undefined) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(asText).join(' ')}]`;
  if (typeof value === 'object')
    return `map[${Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => `${key}:${asText(one)}`)
      .join(' ')}]`;
  return String(value);
}
