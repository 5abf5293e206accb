import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Door, openDoor } from '../testkit/index.ts';
import { definition, definitions } from './testkit/index.ts';

const group = 'rules.example.com';
const at = `/apis/${group}/v1/ruleds`;
const merge = { 'content-type': 'application/merge-patch+json' };

const rule = (text: string, more: object = {}) => ({ rule: text, ...more });
const spec = {
  type: 'object',
  'x-kubernetes-validations': [
    rule('self.low <= self.high', {
      messageExpression: "'low is above ' + (self.high < 0 ? 'a high below zero' : 'high')",
    }),
    rule('!has(self.name) || self.name == oldSelf.name', { message: 'name cannot change', fieldPath: '.name' }),
    rule('oldSelf.hasValue() || self.low == 0', { optionalOldSelf: true, message: 'begins at zero' }),
  ],
  properties: {
    low: { type: 'integer' },
    high: { type: 'integer' },
    name: { type: 'string', maxLength: 20 },
    mode: {
      type: 'string',
      maxLength: 10,
      'x-kubernetes-validations': [rule("self != 'bad'", { reason: 'FieldValueForbidden', message: 'not this one' })],
    },
    parts: {
      type: 'array',
      maxItems: 10,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['id'],
      items: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string', maxLength: 10 }, size: { type: 'integer' } },
        'x-kubernetes-validations': [rule('self.size >= oldSelf.size', { message: 'a part does not shrink' })],
      },
    },
  },
};
const versionsOf = (schema: object) => [
  { name: 'v1', schema: { openAPIV3Schema: { type: 'object', properties: { spec: schema } } } },
];

describe('rules of custom resources', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    const body = definition({ group, plural: 'ruleds', kind: 'Ruled', scope: 'Cluster', versions: versionsOf(spec) });
    const made = await door.ask('POST', definitions, { body });
    assert.equal(made.status, 201, made.text);
  });
  after(() => door[Symbol.asyncDispose]());
  const make = (name: string, given: object) => door.ask('POST', at, { body: { metadata: { name }, spec: given } });
  const change = (name: string, given: object) =>
    door.ask('PATCH', `${at}/${name}`, { body: { spec: given }, headers: merge });
  const toldOf = ({ body }: { body: any }) => body.details?.causes?.map((one: any) => `${one.field}: ${one.message}`);

  test('what breaks a rule is told at its place, with its message and reason', async () => {
    assert.equal((await make('good', { low: 0, high: 2 })).status, 201);
    const bad = await make('bad', { low: 0, high: -1, mode: 'bad' });
    assert.equal(bad.status, 422);
    assert.deepEqual(toldOf(bad), [
      'spec: Invalid value: low is above a high below zero',
      'spec.mode: Forbidden: not this one',
    ]);
  });

  test('transition rules hold between revisions, in lists between items of the same key', async () => {
    const begun = await make('begin', { low: 1, high: 2 });
    assert.deepEqual(toldOf(begun), ['spec: Invalid value: begins at zero']);
    const parts = [
      { id: 'a', size: 1 },
      { id: 'b', size: 5 },
    ];
    assert.equal((await make('moves', { low: 0, high: 9, name: 'x', parts })).status, 201);
    assert.equal((await change('moves', { low: 3 })).status, 200);
    assert.deepEqual(toldOf(await change('moves', { name: 'y' })), ['spec.name: Invalid value: name cannot change']);
    const swapped = [
      { id: 'b', size: 6 },
      { id: 'a', size: 0 },
    ];
    assert.deepEqual(toldOf(await change('moves', { parts: swapped })), [
      'spec.parts[1]: Invalid value: a part does not shrink',
    ]);
  });

  test('an object that is wrong in itself is not asked about', async () => {
    assert.match((await make('wrong', { low: 'x', high: 1 })).text, /some validation rules were not checked/);
  });

  test('what was so before a rule came may stay so', async () => {
    const own = { group, plural: 'olds', kind: 'Old', scope: 'Cluster' as const };
    const field = (rules: object[]) => ({
      type: 'object',
      properties: {
        kept: { type: 'integer', 'x-kubernetes-validations': rules },
        other: { type: 'integer' },
      },
    });
    await door.ask('POST', definitions, { body: definition({ ...own, versions: versionsOf(field([])) }) });
    const olds = `/apis/${group}/v1/olds`;
    await door.ask('POST', olds, { body: { metadata: { name: 'a' }, spec: { kept: -1 } } });
    const value = [rule('self >= 0')];
    const path = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/kept/x-kubernetes-validations';
    const headers = { 'content-type': 'application/json-patch+json' };
    const patch = { body: [{ op: 'add', path, value }], headers };
    assert.equal((await door.ask('PATCH', `${definitions}/olds.${group}`, patch)).status, 200);
    const set = (given: object) => door.ask('PATCH', `${olds}/a`, { body: { spec: given }, headers: merge });
    assert.equal((await set({ other: 1 })).status, 200);
    assert.equal((await set({ kept: -2 })).status, 422);
    assert.equal((await set({ kept: 2 })).status, 200);
  });

  test('a rule that does not compile, costs too much or cannot look back is refused with the definition', async () => {
    const refused = async (schema: object) => {
      const body = definition({ group, plural: 'nos', kind: 'No', scope: 'Cluster', versions: versionsOf(schema) });
      const answer = await door.ask('POST', definitions, { body });
      assert.equal(answer.status, 422, answer.text);
      return (toldOf(answer) as string[]).join('\n');
    };
    const base = 'spec.versions[0].schema.openAPIV3Schema.properties[spec]';
    const withRule = (text: string, more: object = {}) => ({
      type: 'object',
      properties: { x: { type: 'integer' }, list: { type: 'array', items: { type: 'string' } } },
      'x-kubernetes-validations': [rule(text, more)],
    });
    assert.match(await refused(withRule('self.x +')), /rule: Invalid value: .*compilation failed: .*Syntax error/s);
    assert.match(await refused(withRule('self.nope == 1')), /undefined field 'nope'/);
    assert.match(await refused(withRule('self.x')), /cel expression must evaluate to a bool/);
    assert.match(
      await refused(withRule('true', { messageExpression: '1' })),
      /messageExpression must evaluate to a string/,
    );
    assert.match(await refused(withRule('true', { fieldPath: '.nope' })), /fieldPath: .*must be a valid path/);
    assert.match(await refused(withRule('true', { optionalOldSelf: true })), /may not be set if oldSelf is not used/);
    const dear = await refused(withRule('self.list.all(a, self.list.all(b, a.contains(b)))'));
    assert.match(dear, /estimated rule cost exceeds budget by factor of more than 100x/);
    assert.ok(dear.startsWith(`${base}.x-kubernetes-validations[0].rule: Forbidden`), dear);
    const items = { type: 'string', maxLength: 5, 'x-kubernetes-validations': [rule('self == oldSelf')] };
    const list = { type: 'object', properties: { l: { type: 'array', maxItems: 3, items } } };
    assert.match(await refused(list), /oldSelf cannot be used on the uncorrelatable portion of the schema/);
  });
});
