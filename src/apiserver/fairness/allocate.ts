/**
 * Dividing seats among levels: each gets the same proportion of its target, except where that is less than its lower bound or more than its upper
 * one, so that all together get what there is.
 */

export interface Claim {
  readonly lower: number;
  readonly upper: number;
  /** At least `lower`. */
  readonly target: number;
}

export interface Allocation {
  /** In the order of the claims; not rounded. */
  readonly seats: number[];
  /** The proportion of its target that who is not bounded gets. */
  readonly fraction: number;
}

/** Targets of nothing would all be met by any proportion. */
const leastTarget = 0.001;

/** Undefined when the bounds do not allow the total. */
export function allocate(total: number, claims: readonly Claim[]): Allocation | undefined {
  const items = claims.map(({ lower, upper, target }) => ({ lower, upper, target: Math.max(target, leastTarget) }));
  const sumAt = (fraction: number) => items.reduce((sum, item) => sum + clamp(item, fraction), 0);
  const answer = (fraction: number) => ({ seats: items.map((item) => clamp(item, fraction)), fraction });
  const bounds = items
    .flatMap(({ lower, upper, target }) => [lower / target, upper / target])
    .toSorted((a, b) => a - b);
  const first = bounds[0] ?? 0;
  const last = bounds.at(-1) ?? 0;
  const epsilon = 1e-7;
  if (sumAt(first) - total > epsilon || total - sumAt(last) > epsilon) return undefined;
  // between two neighbouring bounds the sum is a straight line
  let below = first;
  for (const above of bounds) {
    const sumAbove = sumAt(above);
    if (sumAbove < total) {
      below = above;
      continue;
    }
    const sumBelow = sumAt(below);
    const rise = sumAbove - sumBelow;
    return answer(rise <= 0 ? above : below + ((above - below) * (total - sumBelow)) / rise);
  }
  return answer(last);
}

function clamp({ lower, upper, target }: Claim, fraction: number): number {
  return Math.max(lower, Math.min(upper, fraction * target));
}
