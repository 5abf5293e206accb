/** Amounts of resources. */
import { formatQuantity, parseQuantity, type Quantity as Amount } from '../../quantity.ts';
import type { Library } from '../environment.ts';
import { fail } from '../failure.ts';
import { type CallCost, overloadWith } from '../overload.ts';
import { sizeOf, traversal } from '../size.ts';
import { structType } from '../types.ts';
import { Double, type Int, intOf, maxInt, minInt, Opaque } from '../values.ts';

const quantityType = structType('kubernetes.Quantity', { get: () => undefined, plain: true });
const overload = overloadWith(new Map([['Quantity', quantityType]]));
const one = 1_000_000_000n;

class Quantity extends Opaque {
  readonly type = quantityType;
  readonly amount: Amount;
  constructor(amount: Amount) {
    super();
    this.amount = amount;
  }

  equals(other: unknown): boolean {
    return other instanceof Quantity && this.amount.nanos === other.amount.nanos;
  }

  override toString(): string {
    return formatQuantity(this.amount);
  }
}

function quantityOf(text: string): Quantity {
  const amount = parseQuantity(text);
  if (amount) return new Quantity(amount);
  if (/^[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*$/.test(text)) return fail("unable to parse quantity's suffix");
  return fail("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

/** Undefined when it is no whole number of 64 bits. */
function wholeOf({ amount: { nanos } }: Quantity): Int | undefined {
  const whole = nanos / one;
  return nanos % one === 0n && whole >= minInt && whole <= maxInt ? intOf(whole) : undefined;
}

function plus(a: Quantity, nanos: bigint, format: Amount['format']): Quantity {
  return new Quantity({ nanos: a.amount.nanos + nanos, format: a.amount.nanos === 0n ? format : a.amount.format });
}

const order = (a: Quantity, b: Quantity) =>
  a.amount.nanos < b.amount.nanos ? -1 : a.amount.nanos > b.amount.nanos ? 1 : 0;
const sign = ({ amount: { nanos } }: Quantity) => (nanos < 0n ? -1 : nanos > 0n ? 1 : 0);
const float = ({ amount: { nanos } }: Quantity) => new Double(Number(nanos / one) + Number(nanos % one) / 1e9);
const once: CallCost = ([text]) => traversal(sizeOf(text));

export const quantityLibrary: Library = {
  types: [quantityType],
  overloads: [
    overload('string_to_quantity', 'quantity(string) -> Quantity', quantityOf, once),
    overload(
      'is_quantity_string',
      'isQuantity(string) -> bool',
      (text: string) => parseQuantity(text) !== undefined,
      once,
    ),
    overload('quantity_sign', 'sign(Quantity) -> int', sign),
    overload(
      'quantity_is_greater_than',
      'Quantity.isGreaterThan(Quantity) -> bool',
      (a: Quantity, b: Quantity) => order(a, b) > 0,
    ),
    overload(
      'quantity_is_less_than',
      'Quantity.isLessThan(Quantity) -> bool',
      (a: Quantity, b: Quantity) => order(a, b) < 0,
    ),
    overload('quantity_compare_to', 'Quantity.compareTo(Quantity) -> int', order),
    overload('quantity_get_float', 'Quantity.asApproximateFloat() -> double', float),
    overload(
      'quantity_get_int',
      'Quantity.asInteger() -> int',
      (a: Quantity) => wholeOf(a) ?? fail('cannot convert value to integer'),
    ),
    overload('quantity_is_integer', 'Quantity.isInteger() -> bool', (a: Quantity) => wholeOf(a) !== undefined),
    overload('quantity_add', 'Quantity.add(Quantity) -> Quantity', (a: Quantity, b: Quantity) =>
      plus(a, b.amount.nanos, b.amount.format),
    ),
    overload('quantity_add_int', 'Quantity.add(int) -> Quantity', (a: Quantity, b: Int) =>
      plus(a, BigInt(b) * one, 'DecimalExponent'),
    ),
    overload('quantity_sub', 'Quantity.sub(Quantity) -> Quantity', (a: Quantity, b: Quantity) =>
      plus(a, -b.amount.nanos, b.amount.format),
    ),
    overload('quantity_sub_int', 'Quantity.sub(int) -> Quantity', (a: Quantity, b: Int) =>
      plus(a, -BigInt(b) * one, 'DecimalExponent'),
    ),
  ],
};
