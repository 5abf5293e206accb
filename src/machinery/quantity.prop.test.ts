import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  subtractQuantities,
} from './index.ts';

const suffix = fc.constantFrom('', 'm', 'k', 'M', 'G', 'u', 'n', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'E2', 'e-2');
const text = fc
  .tuple(fc.constantFrom('', '-', '+'), fc.nat(999_999), fc.option(fc.nat(999), { nil: undefined }), suffix)
  .map(([sign, whole, part, unit]) => `${sign}${whole}${part === undefined ? '' : `.${part}`}${unit}`);

test('the canonical form is a fixed point, and the same amount', () => {
  fc.assert(
    fc.property(text, (given) => {
      const canonical = canonicalQuantity(given);
      assert.ok(canonical !== undefined);
      assert.equal(canonicalQuantity(canonical), canonical);
      assert.equal(parseQuantity(canonical)?.nanos, parseQuantity(given)?.nanos);
    }),
  );
});

test('what is added can be taken away again, and order is the order of the amounts', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(compareQuantities(subtractQuantities(addQuantities(a, b), b), a), 0);
      assert.equal(Math.sign(compareQuantities(a, b)), -Math.sign(compareQuantities(b, a)) + 0);
    }),
  );
});

test('any amount is formatted to text that reads back as it', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 27n }),
      fc.constantFrom('DecimalSI', 'BinarySI', 'DecimalExponent'),
      (nanos, format) => {
        const written = formatQuantity({ nanos, format: format as 'DecimalSI' });
        assert.equal(parseQuantity(written)?.nanos, nanos, written);
      },
    ),
  );
});
