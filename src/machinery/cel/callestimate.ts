/** What calls of the libraries' functions are estimated to cost beyond their arguments, and how large their results are. */
import { addRange, fixed, largest, multiply, type Range, scaled, unknownSize } from './range.ts';
import { listCost, regexFactor, structCost, traversalFactor } from './size.ts';
import type { Type } from './types.ts';

/** An argument, as far as it is known. */
export interface EstimateNode {
  readonly type: Type;
  /** The value of a literal. */
  readonly literal: unknown;
  readonly size: Range | undefined;
  /** Of an item of the list that stands at the same place of the schema. */
  readonly itemSize: () => Range | undefined;
  readonly hasPath: boolean;
}

export interface CallEstimate {
  readonly cost: Range;
  readonly size?: Range;
}

type Estimate = (
  target: EstimateNode | undefined,
  args: readonly EstimateNode[],
  id: string,
) => CallEstimate | undefined;

const sizeOf = (node: EstimateNode | undefined): Range => node?.size ?? unknownSize;
const traversed = (size: Range, times = 1): Range => scaled(size, times * traversalFactor);
const nominal: Estimate = () => ({ cost: fixed(1) });

const ofArgument: Estimate = (_target, [arg]) => (arg ? { cost: traversed(sizeOf(arg)) } : undefined);
const sameSize: Estimate = (_target, [arg]) => (arg ? { cost: traversed(sizeOf(arg)), size: sizeOf(arg) } : undefined);
const targetSize: Estimate = (target) =>
  target ? { cost: traversed(sizeOf(target)), size: sizeOf(target) } : undefined;

function regex(text: Range, pattern: Range): Range {
  return multiply(traversed(addRange(text, fixed(1))), scaled(pattern, regexFactor));
}

const searched: Estimate = (target) => {
  if (!target) return undefined;
  if (target.type.params.length === 0) return { cost: traversed(sizeOf(target)) };
  const item = target.type.params[0] as Type;
  const long = item.kind === 'string' || item.kind === 'bytes';
  const size = (target.hasPath ? target.itemSize() : undefined) ?? unknownSize;
  return { cost: multiply(sizeOf(target), long ? addRange(fixed(1), traversed(size)) : fixed(1)) };
};

const replaced: Estimate = (target, args) => {
  if (!target || args.length < 2) return undefined;
  const text = sizeOf(target);
  const [old, by] = args.map(sizeOf) as [Range, Range];
  const growing = old.min === 0 || by.max > old.min;
  const most = old.min === 0 ? Math.min(text.max + 1, largest) : growing ? Math.ceil(text.max / old.min) : 0;
  const shrinking = old.max === 0 || old.max > by.min;
  const least = old.max === 0 ? Math.min(text.min + 1, largest) : shrinking ? Math.ceil(text.min / old.max) : 0;
  const kept: Range = {
    min: old.max === 0 || !shrinking ? text.min : 0,
    max: old.min === 0 || !growing ? text.max : 0,
  };
  return { cost: traversed(text, 2), size: addRange(multiply({ min: least, max: most }, by), kept) };
};

const split: Estimate = (target, args) => {
  if (!target) return undefined;
  const limit = args[1]?.literal;
  const text = sizeOf(target);
  return {
    cost: traversed(text, 2),
    size: { min: 0, max: typeof limit === 'number' ? (limit < 0 ? largest : limit) : text.max },
  };
};

const joined: Estimate = (target, args) => {
  if (!target) return undefined;
  const count = sizeOf(target);
  const item = (target.hasPath ? target.itemSize() : undefined) ?? unknownSize;
  let size = target.type.params.length > 0 ? multiply(count, item) : fixed(0);
  if (args.length > 0) {
    const gaps = { min: Math.max(0, count.min - 1), max: Math.max(0, count.max - 1) };
    size = addRange(size, multiply(sizeOf(args[0]), gaps));
  }
  return { cost: traversed(size), size };
};

const found: Estimate = (target, args) => {
  if (!target || args.length < 1) return undefined;
  return { cost: regex(sizeOf(target), sizeOf(args[0])), size: { min: 0, max: sizeOf(target).max } };
};

const selector: Estimate = (_target, args) => {
  if (args.length !== 1) return undefined;
  const length = sizeOf(args[0]);
  const requirements = scaled(scaled(length, 0.5), listCost + structCost);
  return { cost: addRange(addRange(fixed(listCost), traversed(length)), requirements) };
};

const addressBytes: Range = { min: 4, max: 16 };

const containing =
  (masking: boolean): Estimate =>
  (_target, args, id) => {
    let cost = traversed(addRange(addressBytes, addressBytes));
    if (masking) cost = addRange(addRange(cost, traversed(addressBytes)), fixed(1));
    if (id.endsWith('_string')) cost = addRange(cost, traversed(sizeOf(args[0])));
    return { cost };
  };

const ip: Estimate = (target, args, id) => (id === 'cidr_ip' ? { cost: fixed(1) } : ofArgument(target, args, id));
const canonical: Estimate = (_target, [arg]) => (arg ? { cost: traversed(sizeOf(arg), 2) } : undefined);
const validated: Estimate = (_target, [arg]) =>
  arg ? { cost: scaled(traversed(sizeOf(arg)), 128 * regexFactor) } : undefined;

function byFunction(names: string, estimate: Estimate): [string, Estimate][] {
  return names.split(' ').map((name) => [name, estimate]);
}

/** By function; these go before what is known of overloads. */
const functions = new Map<string, Estimate>([
  ...byFunction('check', () => ({ cost: fixed(350_000) })),
  ...byFunction('serviceAccount path group resource subresource namespace name allowed reason error errored', nominal),
  ...byFunction('fieldSelector labelSelector', selector),
  ...byFunction('isSorted sum max min indexOf lastIndexOf', searched),
  ...byFunction('url jsonpatch.escapeKey', sameSize),
  ...byFunction('lowerAscii upperAscii substring trim', targetSize),
  ...byFunction('replace', replaced),
  ...byFunction('split', split),
  ...byFunction('join', joined),
  ...byFunction('find findAll', found),
  ...byFunction('cidr isIP isCIDR quantity isQuantity semver isSemver', ofArgument),
  ...byFunction('ip', ip),
  ...byFunction('ip.isCanonical', canonical),
  ...byFunction(
    'masked prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast',
    nominal,
  ),
  ...byFunction('containsIP', containing(false)),
  ...byFunction('containsCIDR', containing(true)),
  ...byFunction('validate', validated),
  ...byFunction(
    'format.named sign asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub major minor patch',
    nominal,
  ),
  ...byFunction('getScheme getHostname getHost getPort getEscapedPath getQuery', nominal),
]);

const opaqueEquality = new Set([
  'net.IP',
  'net.CIDR',
  'kubernetes.Quantity',
  'kubernetes.Semver',
  'kubernetes.authorization.Authorizer',
  'kubernetes.authorization.PathCheck',
  'kubernetes.authorization.GroupCheck',
  'kubernetes.authorization.ResourceCheck',
  'kubernetes.authorization.Decision',
]);

const equals: Estimate = (_target, args) => {
  const [left, right] = args.map(({ type }) => type.name);
  if (left !== right || left === undefined) return undefined;
  if (opaqueEquality.has(left)) return { cost: fixed(1) };
  if (left === 'kubernetes.NamedFormat') return { cost: traversed({ min: 1, max: 64 }) };
  return left === 'kubernetes.URL' ? { cost: traversed({ min: 1, max: args[1]?.size?.max ?? 1 }) } : undefined;
};

/** A call, a new list, and `factor` for each of `size`. */
function allocating(size: Range, factor = 1): CallEstimate {
  return { cost: addRange(scaled(size, factor), fixed(1 + listCost)), size };
}

function literalInt(node: EstimateNode | undefined, otherwise: number): number {
  return typeof node?.literal === 'number' ? Math.max(0, node.literal) : otherwise;
}

const sliced = (from: number, to: number) => allocating(fixed(to < from ? largest : to - from));

const sorted =
  (index: 0 | 'target'): Estimate =>
  (target, args, id) => {
    const size = sizeOf(index === 'target' ? target : args[0]);
    return allocating(multiply(size, size), /^list_(string|bytes)_/.test(id) ? 2 + traversalFactor : 2);
  };

const sets =
  (factor: number): Estimate =>
  (_target, [a, b]) => ({ cost: addRange(scaled(multiply(sizeOf(a), sizeOf(b)), factor), fixed(1)) });

/** By overload; these go before all others. */
const overloads = new Map<string, Estimate>([
  ['list_slice', (target, [from, to]) => sliced(literalInt(from, 0), literalInt(to, sizeOf(target).max))],
  ['list_flatten', (target) => allocating(sizeOf(target))],
  ['list_flatten_int', (target, [depth]) => allocating(sizeOf(target), literalInt(depth, largest))],
  ['lists_range', (_target, [count]) => allocating(fixed(literalInt(count, largest)))],
  ['list_reverse', (target) => allocating(sizeOf(target))],
  ['list_distinct', (target) => allocating(multiply(sizeOf(target), sizeOf(target)), 2)],
  ['list_sets_contains_list', sets(1)],
  ['list_sets_intersects_list', sets(1)],
  ['list_sets_equivalent_list', sets(2)],
]);

/** By overload; for what the language itself has. */
const standard = new Map<string, Estimate>([
  ['string_format', (target) => ({ cost: traversed(sizeOf(target)) })],
  [
    'string_to_bytes',
    (_target, [arg]) => ({ cost: traversed(sizeOf(arg)), size: { min: sizeOf(arg).min, max: sizeOf(arg).max * 4 } }),
  ],
  [
    'bytes_to_string',
    (_target, [arg]) => ({
      cost: traversed(sizeOf(arg)),
      size: { min: Math.floor(sizeOf(arg).min / 4), max: sizeOf(arg).max },
    }),
  ],
  [
    'strings_quote',
    (_target, [arg]) => ({
      cost: traversed(sizeOf(arg)),
      size: { min: sizeOf(arg).min + 2, max: sizeOf(arg).max * 2 + 2 },
    }),
  ],
  ['starts_with_string', ofArgument],
  ['ends_with_string', ofArgument],
  ['in_list', (_target, [, list]) => ({ cost: sizeOf(list) })],
  ['matches_string', (target, [pattern]) => (target ? { cost: regex(sizeOf(target), sizeOf(pattern)) } : undefined)],
  [
    'contains_string',
    (target, [sought]) =>
      target ? { cost: multiply(traversed(sizeOf(target)), traversed(sizeOf(sought))) } : undefined,
  ],
]);

/** Undefined when the call costs what its overload does in general. */
export function callEstimate(
  name: string,
  id: string,
  target: EstimateNode | undefined,
  args: readonly EstimateNode[],
): CallEstimate | undefined {
  const own = id.endsWith('_sort')
    ? sorted('target')
    : id.endsWith('_sortByAssociatedKeys')
      ? sorted(0)
      : overloads.get(id);
  const estimates = [own, name === '_==_' ? equals : functions.get(name), standard.get(id)];
  for (const estimate of estimates) {
    const given = estimate?.(target, args, id);
    if (given) return given;
  }
  return undefined;
}
