import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  quantityMilliValue,
  quantityValue,
  subtractQuantities,
} from './index.ts';

test('a quantity comes out in the canonical form that Kubernetes gives it', () => {
  const table: [string | number, string | undefined][] = [
    ['0', '0'],
    ['0.0', '0'],
    ['1', '1'],
    [1, '1'],
    [0.5, '500m'],
    ['0.5', '500m'],
    ['1.5', '1500m'],
    ['1500m', '1500m'],
    ['1000m', '1'],
    ['1000k', '1M'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['0.5Mi', '512Ki'],
    ['1023.5Ki', '1048064'],
    ['1e3', '1e3'],
    ['12E', '12E'],
    ['1E3', '1e3'],
    ['2e-1', '200e-3'],
    ['0.0000000001', '1n'],
    ['-5', '-5'],
    ['-1.5', '-1500m'],
    ['.5', '500m'],
    ['5.', '5'],
    ['100Ei', '9223372036854775807'],
    [' 1Gi ', '1Gi'],
    ['', undefined],
    ['Gi', undefined],
    ['1.5.5', undefined],
    ['1e', undefined],
    ['1gi', undefined],
    ['1 Gi', undefined],
    ['1e999999999', undefined],
    ['abc', undefined],
    ['0x10', undefined],
    ['NaN', undefined],
  ];
  for (const [given, canonical] of table) assert.equal(canonicalQuantity(given), canonical, `${given}`);
});

test('quantities compare, add and subtract exactly, whatever their suffix', () => {
  assert.equal(compareQuantities('1Gi', '1024Mi'), 0);
  assert.ok(compareQuantities('1G', '1Gi') < 0);
  assert.ok(compareQuantities('100m', '0.09') > 0);
  assert.equal(addQuantities('1Gi', '512Mi'), '1536Mi');
  assert.equal(addQuantities('0', '1Gi'), '1Gi');
  assert.equal(addQuantities('100m', '900m'), '1');
  assert.equal(subtractQuantities('1', '250m'), '750m');
  assert.equal(addQuantities('9007199254740993', '1'), '9007199254740994');
});

test('whole and milli values round away from zero', () => {
  assert.equal(quantityValue('1500m'), 2);
  assert.equal(quantityValue('1Gi'), 2 ** 30);
  assert.equal(quantityMilliValue('0.0001'), 1);
  assert.equal(quantityMilliValue('2'), 2000);
  assert.throws(() => quantityValue('lots'), /"lots" is not a quantity/);
});
