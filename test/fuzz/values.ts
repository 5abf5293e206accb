/** Values that break servers, and objects that almost fit their schema. Addresses are loopback's: nothing that is sent on leaves the machine. */
import type { Schema } from '../../src/machinery/index.ts';
import type { Chance } from './chance.ts';

export const names = ['a', 'b', 'c', 'd', 'kube-system', 'default', 'constructor', 'toString', 'x.y', 'system:a'];
const keys = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  '',
  '$patch',
  'a/b',
  'é',
];
const strings = [
  '',
  ' ',
  'a',
  '0',
  '-1',
  '1e999',
  'null',
  'true',
  '\u0000',
  '\uD800',
  '\uFFFF',
  '💥',
  '../..',
  '%2e%2e',
  'a\nb',
  '*',
  '1Gi',
  '-5m',
  '1e100',
  '9999999999999999999999',
  '0.0000000000001',
  '100%',
  '1970-01-01T00:00:00Z',
  '9999999-99-99',
  'system:masters',
  '{{}}',
  '${x}',
  '(a+)+$',
  '[',
  '*/1 * * * *',
  '0 0 31 2 *',
  'a=b',
  'a in (',
  '!',
  'cluster-admin',
];
const expressions = [
  'true',
  'false',
  'object.metadata.name',
  '1/0 == 1',
  'object.spec.x',
  'self.x.all(y, y)',
  '((((',
  'has(object.a.b)',
  '[1,2,3].map(x, [1,2,3].map(y, [1,2,3].map(z, x))).size() > 1',
  "'a'.matches('(a+)+$')",
  'oldObject == null',
  "quantity('x')",
  "object.metadata.labels['__proto__'] == ''",
  'variables.x',
  "url('::')",
  'request.userInfo.username',
];
const numbers = [0, -0, -1, 1, 2, 65535, 65536, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e308, 0.5, 3600];
const addresses = ['127.0.0.1', '::1'];
const urls = ['https://127.0.0.1:1/', 'http://127.0.0.1:1', 'https://127.0.0.1:1/?a#b', '::', ''];

const isAddress = /^(ip|.*IPs?|address|addresses|host|hostname|nodeName|server|endpoints?|externalName|externalIPs)$/;

/** A string that is wrong in one of the ways that matter; long ones are rare. */
export function text(chance: Chance): string {
  if (chance.one(400)) return 'x'.repeat(chance.of([64, 254, 300_000]));
  return chance.of(chance.one(3) ? names : strings);
}

/** Any JSON value. */
export function anything(chance: Chance, depth = 0): unknown {
  if (depth < 4 && chance.one(4)) {
    const object: Record<string, unknown> = {};
    for (let left = chance.below(4); left > 0; left--) define(object, chance.of(keys), anything(chance, depth + 1));
    return object;
  }
  if (depth < 4 && chance.one(5)) return Array.from({ length: chance.below(4) }, () => anything(chance, depth + 1));
  return chance.of<unknown>([null, true, false, text(chance), chance.of(numbers), {}, []]);
}

/** What the schema asks for, mostly. */
export function fitting(schema: Schema | undefined, chance: Chance, key = '', depth = 0): unknown {
  if (key === 'service') return null;
  if (isAddress.test(key)) return schema?.type === 'array' ? [chance.of(addresses)] : chance.of(addresses);
  if (key === 'url') return chance.of(urls);
  if (schema === undefined || depth > 9 || chance.one(120)) return anything(chance, depth);
  if (schema.default !== undefined && chance.one(2)) return schema.default;
  if (schema.enum !== undefined && !chance.one(20)) return chance.of(schema.enum);
  switch (schema.type) {
    case 'object':
      return object(schema, chance, depth);
    case 'array':
      return Array.from({ length: chance.of([0, 1, 1, 2]) }, () => fitting(schema.items, chance, key, depth + 1));
    case 'integer':
    case 'number':
      return chance.one(3) ? chance.of(numbers) : chance.below(4);
    case 'boolean':
      return chance.one(2);
    case 'string':
      return string(schema, chance, key);
    default:
      return anything(chance, depth);
  }
}

function object(schema: Schema, chance: Chance, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  const sparse = depth > 2 ? 6 : 3;
  for (const [name, field] of Object.entries(schema.properties ?? {}))
    if (schema.required?.includes(name) || chance.one(sparse))
      define(made, name, fitting(field, chance, name, depth + 1));
  if (schema.additionalProperties !== undefined && chance.one(2))
    define(
      made,
      chance.one(3) ? chance.of(keys) : chance.of(names),
      fitting(schema.additionalProperties, chance, '', depth + 1),
    );
  if (chance.one(60)) define(made, chance.of(keys), anything(chance, depth + 1));
  return made;
}

function string(schema: Schema, chance: Chance, key: string): string {
  if (/expression|rule$/i.test(key)) return chance.of(expressions);
  if (chance.one(4)) return text(chance);
  if (schema.format === 'date-time') return '2026-01-01T00:00:00Z';
  if (schema.format === 'byte') return 'YQ==';
  if (schema.format === 'quantity' || schema.format === 'int-or-string') return chance.of(['1', '100m', '1Gi', '50%']);
  return chance.of(names);
}

/** Also what an assignment would take for the prototype. */
function define(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
