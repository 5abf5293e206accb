/** Sets of characters. */

export interface CharSet {
  /** Pairs of first and last code point. */
  readonly ranges: readonly number[];
  readonly parts: readonly (CharSet | PropertySet)[];
  readonly negated: boolean;
  /** Whether upper and lower case are the same. */
  readonly fold: boolean;
}

interface PropertySet {
  readonly property: RegExp;
  readonly negated: boolean;
}

export const setOf = (ranges: readonly number[], negated = false): CharSet => ({
  ranges,
  parts: [],
  negated,
  fold: false,
});
export const foldOf = (set: CharSet): CharSet => ({ ...set, fold: true });

export function includes(set: CharSet, code: number): boolean {
  if (holds(set, code)) return true;
  if (!set.fold) return false;
  const text = String.fromCodePoint(code);
  const lower = text.toLowerCase();
  const upper = text.toUpperCase();
  return [lower, upper, upper.toLowerCase()].some((variant) => {
    const other = variant.codePointAt(0) as number;
    return variant.length === (other > 0xffff ? 2 : 1) && holds(set, other);
  });
}

function holds(set: CharSet, code: number): boolean {
  const { ranges, parts, negated } = set;
  for (let i = 0; i < ranges.length; i += 2) {
    if (code >= (ranges[i] as number) && code <= (ranges[i + 1] as number)) return !negated;
  }
  for (const part of parts) {
    const inside =
      'property' in part ? part.property.test(String.fromCodePoint(code)) !== part.negated : includes(part, code);
    if (inside) return !negated;
  }
  return negated;
}

const range = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const digits = range('09');
const word = range('09AZ__az');
const space = range('\t\n\f\r  ');

/** `d` of `\d` and the like. */
export function perlClass(letter: string): CharSet | undefined {
  const ranges = { d: digits, s: space, w: word }[letter.toLowerCase()];
  return ranges && /[dswDSW]/.test(letter) ? setOf(ranges, letter !== letter.toLowerCase()) : undefined;
}

const named: Record<string, number[]> = {
  alnum: range('09AZaz'),
  alpha: range('AZaz'),
  ascii: [0, 127],
  blank: range('\t\t  '),
  cntrl: [0, 31, 127, 127],
  digit: digits,
  graph: range('!~'),
  lower: range('az'),
  print: range(' ~'),
  punct: range('!/:@[`{~'),
  space: range('\t\r  '),
  upper: range('AZ'),
  word,
  xdigit: range('09AFaf'),
};

/** `[:alpha:]`, `[:^alpha:]`. */
export function classNamed(text: string): CharSet | undefined {
  const match = /^\[:(\^?)(\w+):\]$/.exec(text);
  const ranges = match ? named[match[2] as string] : undefined;
  return ranges && setOf(ranges, match?.[1] === '^');
}

/** A Unicode category or script. */
export function propertySet(name: string, negated: boolean): CharSet | undefined {
  if (name === 'Any') return setOf([0, 0x10ffff], negated);
  for (const property of [`General_Category=${name}`, `Script=${name}`]) {
    try {
      return {
        ranges: [],
        parts: [{ property: new RegExp(`\\p{${property}}`, 'u'), negated }],
        negated: false,
        fold: false,
      };
    } catch {
      // not a name of this sort
    }
  }
  return undefined;
}
