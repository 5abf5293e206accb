/** Finding with regular expressions. */
import type { Library } from '../environment.ts';
import { type CallCost, overload } from '../overload.ts';
import { fail } from '../failure.ts';
import { type Regex, RegexError, regexOf } from '../regex/index.ts';
import { regexCost, sizeOf } from '../size.ts';
import type { Int } from '../values.ts';

function compiled(pattern: string): Regex {
  try {
    return regexOf(pattern);
  } catch (error) {
    return fail(`Illegal regex: ${error instanceof RegexError ? error.message : String(error)}`);
  }
}

function find(text: string, pattern: string): string {
  const found = compiled(pattern).find(text);
  return found ? text.slice(...found) : '';
}

function findAll(text: string, pattern: string, limit: Int = -1): string[] {
  return compiled(pattern).findAll(text, limit < 0 ? Infinity : Number(limit));
}

const ofMatch: CallCost = ([text, pattern]) => regexCost(sizeOf(text), sizeOf(pattern));

export const regexLibrary: Library = {
  overloads: [
    overload('string_find_string', 'string.find(string) -> string', find, ofMatch),
    overload(
      'string_find_all_string',
      'string.findAll(string) -> list(string)',
      (a: string, b: string) => findAll(a, b),
      ofMatch,
    ),
    overload('string_find_all_string_int', 'string.findAll(string, int) -> list(string)', findAll, ofMatch),
  ],
};
