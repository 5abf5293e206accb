/** Label selectors, compiled once and matched often. The text form is read by `selectorparser.ts`. */
import { labelValueProblems, qualifiedNameProblems } from './names.ts';
import { StatusError } from './status.ts';

export type Labels = Readonly<Record<string, string>>;

export type SelectorOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** meta/v1 `LabelSelector`. */
export interface LabelSelector {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly LabelSelectorRequirement[];
}

export interface LabelSelectorRequirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | (string & {});
  values?: readonly string[];
}

export interface Selector {
  /** Selects every object. */
  readonly empty: boolean;
  /** Selects no object, whatever its labels: what an absent `LabelSelector` means. */
  readonly nothing: boolean;
  /** Sorted by key. */
  readonly requirements: readonly Requirement[];
  matches(labels: Labels | undefined): boolean;
  /** The one value that `key` must have for a match, or undefined when the selector does not pin it: what an index can look up. */
  exactMatch(key: string): string | undefined;
  /** In the query string's grammar; reads back as the same selector. */
  toString(): string;
}

type Test = (labels: Labels) => boolean;

const none: Labels = Object.freeze({});

/** Selects every object. */
export const everything: Selector = compileSelector([]);

/** Selects no object. */
export const nothing: Selector = {
  empty: false,
  nothing: true,
  requirements: [],
  matches: () => false,
  exactMatch: () => undefined,
  toString: () => '',
};

/** A selector of requirements that are known to be valid (see `newRequirement`). */
export function compileSelector(requirements: readonly Requirement[]): Selector {
  const sorted = requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return {
    empty: sorted.length === 0,
    nothing: false,
    requirements: sorted,
    matches: all(sorted.map(testOf)),
    exactMatch: (key) => exactMatch(sorted, key),
    toString: () => sorted.map(show).join(','),
  };
}

function all(tests: readonly Test[]): Selector['matches'] {
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return (labels) => first(labels ?? none);
  return (labels = none) => {
    for (let i = 0; i < tests.length; i++) if (!tests[i]!(labels)) return false;
    return true;
  };
}

function testOf({ key, operator, values }: Requirement): Test {
  const [value] = values;
  const has = values.length === 1 ? (found: string) => found === value : inSet(values);
  switch (operator) {
    case '=':
    case '==':
      return (labels) => labels[key] === value;
    case 'in':
      return (labels) => isLabel(labels[key]) && has(labels[key]);
    case '!=':
      return (labels) => labels[key] !== value;
    case 'notin':
      return (labels) => !isLabel(labels[key]) || !has(labels[key]);
    case 'exists':
      return (labels) => isLabel(labels[key]);
    case '!':
      return (labels) => !isLabel(labels[key]);
    default:
      return compareTest(key, operator, parseInt64(value!)!);
  }
}

/** What every object inherits, such as `toString`, is no string, so this is told apart faster than by asking who owns it. */
function isLabel(value: unknown): value is string {
  return typeof value === 'string';
}

function inSet(values: readonly string[]): (found: string) => boolean {
  const set = new Set(values);
  return (found) => set.has(found);
}

function compareTest(key: string, operator: 'gt' | 'lt', bound: bigint): Test {
  return (labels) => {
    const value = labels[key];
    const found = isLabel(value) ? parseInt64(value) : undefined;
    if (found === undefined) return false;
    return operator === 'gt' ? found > bound : found < bound;
  };
}

function exactMatch(requirements: readonly Requirement[], key: string): string | undefined {
  for (const { key: other, operator, values } of requirements)
    if (other === key && values.length === 1 && (operator === '=' || operator === '==' || operator === 'in'))
      return values[0];
  return undefined;
}

function show({ key, operator, values }: Requirement): string {
  const list = [...values].toSorted().join(',');
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${list})`;
    case 'gt':
      return `${key}>${list}`;
    case 'lt':
      return `${key}<${list}`;
    default:
      return `${key}${operator}${list}`;
  }
}

/** A checked requirement. Throws `BadRequest`, worded as apimachinery's `labels` package does. */
export function newRequirement(key: string, operator: SelectorOperator, values: readonly string[]): Requirement {
  const problems: string[] = [];
  const keyProblem = qualifiedNameProblems(key).join('; ');
  if (keyProblem !== '') problems.push(`key: Invalid value: ${JSON.stringify(key)}: ${keyProblem}`);
  problems.push(...countProblems(operator, values));
  for (const [i, value] of values.entries()) {
    const problem = labelValueProblems(value).join('; ');
    if (problem !== '') problems.push(`values[${i}][${key}]: Invalid value: ${JSON.stringify(value)}: ${problem}`);
  }
  if (problems.length > 0)
    throw StatusError.badRequest(problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`);
  return { key, operator, values };
}

function countProblems(operator: SelectorOperator, values: readonly string[]): string[] {
  const invalid = (why: string) => [`values: Invalid value: ${JSON.stringify(values)}: ${why}`];
  switch (operator) {
    case 'in':
    case 'notin':
      return values.length === 0 ? invalid("for 'in', 'notin' operators, values set can't be empty") : [];
    case 'exists':
    case '!':
      return values.length === 0 ? [] : invalid('values set must be empty for exists and does not exist');
    case 'gt':
    case 'lt': {
      const problems = values.length === 1 ? [] : invalid("for 'Gt', 'Lt' operators, exactly one value is required");
      for (const [i, value] of values.entries())
        if (parseInt64(value) === undefined)
          problems.push(
            `values[${i}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
      return problems;
    }
    default:
      return values.length === 1 ? [] : invalid('exact-match compatibility requires one single value');
  }
}

const operators: Readonly<Record<string, SelectorOperator>> = {
  __proto__: null as never,
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** A `LabelSelector` object compiled: absent selects nothing, empty everything. Throws `BadRequest` on a broken one. */
export function labelSelectorAsSelector(selector: LabelSelector | null | undefined): Selector {
  if (selector === undefined || selector === null) return nothing;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    requirements.push(newRequirement(key, '=', [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (!Object.hasOwn(operators, operator))
      throw StatusError.badRequest(
        `${JSON.stringify(operator)} is not a valid label selector operator: use In, NotIn, Exists or DoesNotExist`,
      );
    requirements.push(newRequirement(key, operators[operator]!, values ?? []));
  }
  return requirements.length === 0 ? everything : compileSelector(requirements);
}

/** Selects objects that carry all of these labels. The labels are not checked: no object has an invalid one. */
export function selectorFromSet(labels: Labels | undefined): Selector {
  return compileSelector(
    Object.entries(labels ?? {}).map(([key, value]): Requirement => ({ key, operator: '=', values: [value] })),
  );
}

/** A Go `int64` in decimal digits, or undefined. */
function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]{1,4096}$/.test(text)) return undefined;
  const number = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return BigInt.asIntN(64, number) === number ? number : undefined;
}
