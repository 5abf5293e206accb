/** Field selectors: `metadata.name=x,status.phase!=Running`. In values, `\`, `,` and `=` are escaped with `\`. */
import { StatusError } from './status.ts';

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

export interface FieldSelector {
  /** Selects every object. */
  readonly empty: boolean;
  readonly requirements: readonly FieldRequirement[];
  /** `get` gives the field's value as a string, '' when it is absent. */
  matches(get: (field: string) => string): boolean;
  /**
   * The same test with each field's getter looked up once. `lookup` may throw, or give undefined, for a field that cannot
   * be selected on; undefined is refused with `BadRequest`.
   */
  compile<T>(lookup: (field: string) => ((object: T) => string) | undefined): (object: T) => boolean;
  /** The one value that `field` must have, or undefined: what an index can look up. */
  exactMatch(field: string): string | undefined;
  toString(): string;
}

const longest = 1 << 20;

/** Throws `BadRequest`, worded as apimachinery's `fields` package does. */
export function parseFieldSelector(text: string): FieldSelector {
  if (text.length > longest)
    throw StatusError.badRequest(
      `a field selector may not be longer than ${longest} characters, this one has ${text.length}`,
    );
  const terms = splitTerms(text).filter((term) => term !== '');
  return fieldSelectorOf(terms.sort().map((term) => parseTerm(text, term)));
}

export function fieldSelectorOf(requirements: readonly FieldRequirement[]): FieldSelector {
  return {
    empty: requirements.length === 0,
    requirements,
    matches: (get) => requirements.every(({ field, operator, value }) => (get(field) === value) === (operator === '=')),
    compile: (lookup) => compile(requirements, lookup),
    exactMatch: (field) => requirements.find((one) => one.field === field && one.operator === '=')?.value,
    toString: () => requirements.map((one) => `${one.field}${one.operator}${escapeFieldValue(one.value)}`).join(','),
  };
}

function compile<T>(
  requirements: readonly FieldRequirement[],
  lookup: (field: string) => ((object: T) => string) | undefined,
): (object: T) => boolean {
  const tests = requirements.map(({ field, operator, value }) => {
    const get = lookup(field);
    if (get === undefined) throw StatusError.badRequest(`field label not supported: ${field}`);
    return operator === '=' ? (object: T) => get(object) === value : (object: T) => get(object) !== value;
  });
  const [only] = tests;
  if (only === undefined) return () => true;
  if (tests.length === 1) return only;
  return (object) => {
    for (let i = 0; i < tests.length; i++) if (!tests[i]!(object)) return false;
    return true;
  };
}

export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, '\\$&');
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function parseTerm(whole: string, term: string): FieldRequirement {
  const found = /!=|==?/.exec(term);
  if (found === null) throw StatusError.badRequest(`invalid selector: '${whole}'; can't understand '${term}'`);
  return {
    field: term.slice(0, found.index),
    operator: found[0] === '!=' ? '!=' : '=',
    value: unescape(term.slice(found.index + found[0].length)),
  };
}

function unescape(text: string): string {
  let value = '';
  for (let at = 0; at < text.length; at++) {
    let character = text[at]!;
    if (character === '\\') {
      character = text[++at] ?? '';
      if (character === '' || !'\\,='.includes(character))
        throw StatusError.badRequest(`invalid field selector: invalid escape sequence: \\${character}`);
    } else if (character === '=')
      // an unescaped comma ended the term before
      throw StatusError.badRequest(`invalid field selector: unescaped character in value: ${character.codePointAt(0)}`);
    value += character;
  }
  return value;
}
