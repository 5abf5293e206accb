import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { cloneJson, type Schema } from '../machinery/index.ts';
import { validatorOf } from './index.ts';

const schema: Schema = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1, maximum: 9 },
    share: { type: 'number', minimum: 0, exclusiveMinimum: true, multipleOf: 0.5 },
    name: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]*$' },
    colour: { type: 'string', enum: ['red', 'green'] },
    tags: { type: 'array', maxItems: 2, minItems: 1, items: { type: 'string' } },
    limits: { type: 'object', maxProperties: 2, additionalProperties: { type: 'integer' } },
    port: { format: 'int-or-string' },
    choice: {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      oneOf: [{ required: ['a'] }, { required: ['b'] }],
    },
    either: { type: 'integer', anyOf: [{ maximum: 2 }, { minimum: 5 }], not: { enum: [0 as never] } },
  },
};

/** The same schema as ajv reads it (draft 7). */
function forAjv(of: Schema): object {
  return JSON.parse(JSON.stringify(of), (_key, value) => {
    if (value?.format === 'int-or-string') return { type: ['integer', 'string'] };
    if (value?.exclusiveMinimum === true) {
      const { minimum, ...rest } = value;
      return { ...rest, exclusiveMinimum: minimum };
    }
    return value;
  });
}

test('what breaks the schema is what ajv says breaks it', () => {
  const ajv = new Ajv({ strict: false }).compile(forAjv(schema));
  const scalar = fc.oneof(
    fc.integer({ min: -2, max: 12 }),
    fc.constantFrom('a', 'ab', 'abcd', 'abcde', 'A', 'red', ''),
    fc.constantFrom(0.5, 1.25),
    fc.boolean(),
  );
  const value = fc.oneof(
    scalar,
    fc.array(scalar, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), scalar),
  );
  const two = fc.tuple(fc.constantFrom(...Object.keys(schema.properties!)), value, fc.constantFrom(1, 5, 9, 10, '5'));
  const object = two.map(([name, given, size]) => ({ size, [name]: given }));
  let good = 0;
  fc.assert(
    fc.property(object, (given) => {
      const fine = validatorOf(schema).check(given).length === 0;
      if (fine) good++;
      assert.equal(fine, ajv(given), JSON.stringify(given));
    }),
    { numRuns: 8000 },
  );
  assert.ok(good > 100, `${good} good ones`);
});

test('a cause names the field in the words of Kubernetes', () => {
  const told = (value: object) =>
    validatorOf(schema)
      .check(value)
      .map(({ field, message }) => `${field}: ${message}`);
  assert.deepEqual(told({}), ['size: Required value']);
  assert.deepEqual(told({ size: '1' }), [
    'size: Invalid value: "string": size in body must be of type integer: "string"',
  ]);
  assert.deepEqual(told({ size: 0 }), ['size: Invalid value: 0: size in body should be greater than or equal to 1']);
  assert.deepEqual(told({ size: 1, colour: 'blue' }), [
    'colour: Unsupported value: "blue": supported values: "red", "green"',
  ]);
  assert.deepEqual(told({ size: 1, limits: { a: 'x' } }), [
    'limits.a: Invalid value: "string": limits.a in body must be of type integer: "string"',
  ]);
  assert.deepEqual(told({ size: 1, name: 'AB' }), [
    'name: Invalid value: "AB": name in body should match \'^[a-z]*$\'',
  ]);
});

test('a custom resource is pruned and filled by its schema', () => {
  const structural: Schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        default: {},
        properties: {
          replicas: { type: 'integer', default: 1 },
          free: {
            type: 'object',
            preserveUnknownFields: true,
            properties: { known: { type: 'object', properties: {} } },
          },
          list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string', default: 'x' } } } },
        },
      },
    },
  };
  const validator = validatorOf(structural);
  const object: any = { spec: { replicas: null, extra: 1, free: { any: 1, known: { gone: 1 } }, list: [{ b: 1 }] } };
  const unknown: string[] = [];
  assert.equal(
    validator.take(object, (path) => unknown.push(path)),
    undefined,
  );
  validator.fill(object);
  assert.deepEqual(object, { spec: { replicas: 1, free: { any: 1, known: {} }, list: [{ a: 'x' }] } });
  assert.deepEqual(unknown, ['spec.extra', 'spec.free.known.gone', 'spec.list[0].b']);
  const empty: any = {};
  validator.fill(empty);
  validator.fill(cloneJson(empty));
  assert.deepEqual(empty, { spec: { replicas: 1 } });
});
