/**
 * What is left of devices that several claims share, and of what the partitions of one device are cut from (KEP-5075, KEP-4815): amounts are
 * taken while an allocation is looked for, and given back when the search turns around. Amounts are in billionths.
 */
import type { CapacityRequestPolicy, CapacityRequirements, Device, ResourceSlice } from '../../../api/index.ts';
import { formatQuantity, parseQuantity } from '../../../machinery/index.ts';
import type { Reachable } from './pools.ts';

/** What all claims have together. */
export interface Use {
  /** Ids of devices that are somebody's alone. */
  readonly taken: Set<string>;
  /** By `device id capacity`: what claims have of shared devices. */
  readonly consumed: Map<string, bigint>;
}

export class Stock {
  private readonly consumed: Map<string, bigint>;
  /** By `driver/pool set counter`. */
  private readonly left: Map<string, bigint>;

  constructor(consumed: ReadonlyMap<string, bigint>, left: ReadonlyMap<string, bigint>) {
    this.consumed = new Map(consumed);
    this.left = new Map(left);
  }

  /** Takes what a claim needs of the device; false: there is not enough, and nothing was taken. */
  take(reachable: Reachable, requirements: CapacityRequirements | undefined): boolean {
    const shares = sharesOf(reachable.device, requirements);
    if (shares === undefined) return false;
    const counters = countersOf(reachable);
    if (counters.some(([key, amount]) => (this.left.get(key) ?? 0n) < amount)) return false;
    if (reachable.device.allowMultipleAllocations) {
      for (const { name, amount, value } of shares)
        if ((this.consumed.get(`${reachable.id} ${name}`) ?? 0n) + amount > value) return false;
      for (const { name, amount } of shares) add(this.consumed, `${reachable.id} ${name}`, amount);
    } else if (shares.some(({ amount, value }) => amount > value)) return false;
    for (const [key, amount] of counters) add(this.left, key, -amount);
    return true;
  }

  giveBack(reachable: Reachable, requirements: CapacityRequirements | undefined): void {
    for (const [key, amount] of countersOf(reachable)) add(this.left, key, amount);
    if (!reachable.device.allowMultipleAllocations) return;
    for (const { name, amount } of sharesOf(reachable.device, requirements) ?? [])
      add(this.consumed, `${reachable.id} ${name}`, -amount);
  }
}

function add(amounts: Map<string, bigint>, key: string, amount: bigint): void {
  amounts.set(key, (amounts.get(key) ?? 0n) + amount);
}

/** What is left of every pool's counters, with the devices that are in use. */
export function countersLeft(slices: readonly ResourceSlice[], used: ReadonlySet<string>): Map<string, bigint> {
  const left = new Map<string, bigint>();
  for (const { spec } of slices)
    for (const set of spec.sharedCounters ?? [])
      for (const [name, { value }] of Object.entries(set.counters))
        left.set(`${spec.driver}/${spec.pool.name} ${set.name} ${name}`, amountOf(value));
  if (left.size === 0) return left;
  for (const { spec } of slices)
    for (const device of spec.devices ?? []) {
      const one = { driver: spec.driver, pool: spec.pool.name, device };
      if (!used.has(`${spec.driver}/${spec.pool.name}/${device.name}`)) continue;
      for (const [key, amount] of countersOf(one)) add(left, key, -amount);
    }
  return left;
}

function countersOf({ driver, pool, device }: Pick<Reachable, 'driver' | 'pool' | 'device'>): [string, bigint][] {
  return (device.consumesCounters ?? []).flatMap(({ counterSet, counters }) =>
    Object.entries(counters).map(([name, { value }]): [string, bigint] => [
      `${driver}/${pool} ${counterSet} ${name}`,
      amountOf(value),
    ]),
  );
}

interface Share {
  readonly name: string;
  readonly amount: bigint;
  readonly value: bigint;
}

/** What the claim would have of each capacity; undefined: the device cannot give what is asked for. */
function sharesOf({ capacity = {} }: Device, requirements: CapacityRequirements | undefined): Share[] | undefined {
  const requests = requirements?.requests ?? {};
  if (Object.keys(requests).some((name) => capacity[name] === undefined)) return undefined;
  const shares: Share[] = [];
  for (const [name, { value, requestPolicy }] of Object.entries(capacity)) {
    const amount = shareOf(requests[name], amountOf(value), requestPolicy);
    if (amount === undefined) return undefined;
    shares.push({ name, amount, value: amountOf(value) });
  }
  return shares;
}

/** Rounded up to what the device deals in. */
function shareOf(request: string | undefined, whole: bigint, policy: CapacityRequestPolicy = {}): bigint | undefined {
  const { default: usual, validRange, validValues = [] } = policy;
  if (request === undefined) return usual === undefined ? whole : amountOf(usual);
  const asked = amountOf(request);
  if (validRange) {
    const least = amountOf(validRange.min);
    const step = validRange.step === undefined ? 0n : amountOf(validRange.step);
    const above = asked - least;
    const amount = above <= 0n ? least : step > 0n ? least + ((above + step - 1n) / step) * step : asked;
    return validRange.max !== undefined && amount > amountOf(validRange.max) ? undefined : amount;
  }
  if (validValues.length === 0) return asked;
  return validValues.map(amountOf).find((value) => value >= asked);
}

/** What the claim is told that it has: undefined when the device is its own. */
export function consumedCapacity(
  device: Device,
  requirements: CapacityRequirements | undefined,
): Record<string, string> | undefined {
  if (!device.allowMultipleAllocations) return undefined;
  const shares = sharesOf(device, requirements) ?? [];
  return Object.fromEntries(
    shares.map(({ name, amount }) => {
      const { format } = parseQuantity(device.capacity![name]!.value)!;
      return [name, formatQuantity({ nanos: amount, format })];
    }),
  );
}

/** Not negative; what is no quantity is nothing. */
export function amountOf(value: string): bigint {
  return parseQuantity(String(value))?.nanos ?? 0n;
}
