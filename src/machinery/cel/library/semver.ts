/** Semantic versions. */
import type { Library } from '../environment.ts';
import { fail } from '../failure.ts';
import { type CallCost, overloadWith } from '../overload.ts';
import { sizeOf, traversal } from '../size.ts';
import { structType } from '../types.ts';
import { type Int, intOf, Opaque } from '../values.ts';

const semverType = structType('kubernetes.Semver', { get: () => undefined, plain: true });
const overload = overloadWith(new Map([['Semver', semverType]]));

class Semver extends Opaque {
  readonly type = semverType;
  readonly numbers: readonly Int[];
  readonly prerelease: readonly string[];
  constructor(numbers: readonly Int[], prerelease: readonly string[]) {
    super();
    this.numbers = numbers;
    this.prerelease = prerelease;
  }

  equals(other: unknown): boolean {
    return other instanceof Semver && order(this, other) === 0;
  }
}

const number = '(0|[1-9]\\d*)';
const label = '(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)';
const shape = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${label}(?:\\.${label})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);
const largest = 2n ** 64n;

function parse(text: string): Semver | undefined {
  const match = shape.exec(text);
  if (!match) return undefined;
  const numbers = match.slice(1, 4).map((digits) => BigInt(digits));
  if (numbers.some((value) => value >= largest)) return undefined;
  return new Semver(numbers.map(intOf), match[4]?.split('.') ?? []);
}

/** Without `v`, leading zeros, and parts left out. */
function normalized(text: string): string | undefined {
  const [first = '', second, ...rest] = text.replace(/^v/, '').split('.');
  const parts = [first, ...(second === undefined ? [] : [second]), ...(rest.length > 0 ? [rest.join('.')] : [])];
  const trimmed = parts.map((part) =>
    part.length > 1 ? part.replace(/^0+(?=\d)/, '').replace(/^0+(?!\d)/, '0') : part,
  );
  if (trimmed.length < 3 && /[+-]/.test(trimmed.at(-1) as string)) return undefined;
  while (trimmed.length < 3) trimmed.push('0');
  return trimmed.join('.');
}

function read(text: string, lenient = false): Semver | undefined {
  const plain = lenient ? normalized(text) : text;
  return plain === undefined ? undefined : parse(plain);
}

function semverOf(text: string, lenient = false): Semver {
  return read(text, lenient) ?? fail(problemOf(text));
}

function problemOf(text: string): string {
  if (text === '') return 'Version string empty';
  if (text.split('.').length < 3) return 'No Major.Minor.Patch elements found';
  return `Invalid character(s) found in version ${JSON.stringify(text)}`;
}

function order(a: Semver, b: Semver): number {
  for (let i = 0; i < 3; i++) {
    const [left, right] = [a.numbers[i] as Int, b.numbers[i] as Int];
    if (left !== right) return left < right ? -1 : 1;
  }
  return orderOfLabels(a.prerelease, b.prerelease);
}

/** A version before a release is less than it. */
function orderOfLabels(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [left, right] = [a[i] as string, b[i] as string];
    if (left === right) continue;
    const [leftDigits, rightDigits] = [/^\d+$/.test(left), /^\d+$/.test(right)];
    if (leftDigits && rightDigits) return BigInt(left) < BigInt(right) ? -1 : 1;
    if (leftDigits !== rightDigits) return leftDigits ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}

const once: CallCost = ([text]) => traversal(sizeOf(text));

export const semverLibrary: Library = {
  types: [semverType],
  overloads: [
    overload('string_to_semver', 'semver(string) -> Semver', (a: string) => semverOf(a), once),
    overload('string_bool_to_semver', 'semver(string, bool) -> Semver', semverOf, once),
    overload('is_semver_string', 'isSemver(string) -> bool', (a: string) => read(a) !== undefined, once),
    overload(
      'is_semver_string_bool',
      'isSemver(string, bool) -> bool',
      (a: string, b: boolean) => read(a, b) !== undefined,
      once,
    ),
    overload(
      'semver_is_greater_than',
      'Semver.isGreaterThan(Semver) -> bool',
      (a: Semver, b: Semver) => order(a, b) > 0,
    ),
    overload('semver_is_less_than', 'Semver.isLessThan(Semver) -> bool', (a: Semver, b: Semver) => order(a, b) < 0),
    overload('semver_compare_to', 'Semver.compareTo(Semver) -> int', order),
    overload('semver_major', 'Semver.major() -> int', ({ numbers }: Semver) => numbers[0]),
    overload('semver_minor', 'Semver.minor() -> int', ({ numbers }: Semver) => numbers[1]),
    overload('semver_patch', 'Semver.patch() -> int', ({ numbers }: Semver) => numbers[2]),
  ],
};
