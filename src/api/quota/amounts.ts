/** Sums of resource amounts, by resource name. */
import { addQuantities, compareQuantities, subtractQuantities } from '../../machinery/index.ts';

/** By resource name, in the text form of quantities. */
export type Amounts = Record<string, string>;

export function addAmounts(a: Readonly<Amounts>, b: Readonly<Amounts>): Amounts {
  const total: Amounts = { ...a };
  for (const name in b) total[name] = total[name] === undefined ? b[name]! : addQuantities(total[name], b[name]!);
  return total;
}

/** `a - b`; what both would make negative is 0 unless `a` alone names it. */
export function subtractAmounts(a: Readonly<Amounts>, b: Readonly<Amounts>): Amounts {
  const rest: Amounts = {};
  for (const name in a) rest[name] = b[name] === undefined ? a[name]! : subtractQuantities(a[name]!, b[name]);
  for (const name in b) if (a[name] === undefined) rest[name] = subtractQuantities('0', b[name]!);
  for (const name in rest) if (compareQuantities(rest[name]!, '0') < 0) rest[name] = '0';
  return rest;
}

export function greaterAmounts(...lists: readonly (Readonly<Amounts> | undefined)[]): Amounts {
  const most: Amounts = {};
  for (const list of lists)
    for (const name in list)
      if (most[name] === undefined || compareQuantities(list[name]!, most[name]) > 0) most[name] = list[name]!;
  return most;
}

/** Only the named ones. */
export function maskAmounts(amounts: Readonly<Amounts>, names: Iterable<string>): Amounts {
  const some: Amounts = {};
  for (const name of names) if (amounts[name] !== undefined) some[name] = amounts[name];
  return some;
}

export function equalAmounts(a: Readonly<Amounts> = {}, b: Readonly<Amounts> = {}): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => b[name] !== undefined && compareQuantities(a[name]!, b[name]) === 0);
}

/** `cpu=1,memory=2Gi`, in the order of the names. */
export function formatAmounts(amounts: Readonly<Amounts>): string {
  return Object.keys(amounts)
    .toSorted()
    .map((name) => `${name}=${amounts[name]}`)
    .join(',');
}
