import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '../schema.ts';
import {
  type AuthorizationCheck,
  authorizerOf,
  authorizerType,
  bindLibrary,
  compile,
  costMessage,
  dynType,
  type Environment,
  estimateCost,
  type Evaluation,
  intType,
  jsonPatchLibrary,
  kubernetesEnvironment,
  listType,
  maxCardinality,
  optionalType,
  requestResourceOf,
  resourceCheckType,
  schemaType,
  stringType,
  toJson,
  type Type,
  withObjectTypes,
} from './index.ts';

function program(source: string, environment: Environment) {
  const compiled = compile(source, environment);
  assert.ok(compiled.program, (compiled as { message?: string }).message);
  return compiled.program;
}

function evaluate(source: string, variables: Record<string, [Type, unknown]> = {}, limit?: number): Evaluation {
  const types = Object.fromEntries(Object.entries(variables).map(([name, [type]]) => [name, type]));
  const values = Object.fromEntries(Object.entries(variables).map(([name, [, value]]) => [name, value]));
  return program(source, kubernetesEnvironment.extend({ variables: types })).evaluate(values, limit);
}

const jsonOf = (value: unknown) => (toJson(value) as { json?: unknown }).json;
const typeOfSchema = (schema: Schema) => schemaType(schema) as Type;

test('an evaluation stops at its limit, and nothing in it absorbs that', () => {
  const numbers: [Type, unknown] = [listType(intType), Array.from({ length: 1000 }, (_, i) => i)];
  const source = 'true || self.all(a, self.all(b, a + b >= 0)) || self.all(a, self.all(b, a + b >= 0))';
  assert.equal(evaluate(source, { self: numbers }).value, true);
  const stopped = evaluate('self.all(a, self.all(b, a + b >= 0)) || true', { self: numbers });
  assert.equal(stopped.exceeded, true);
  assert.equal(stopped.error, 'operation cancelled: actual cost limit exceeded');
  assert.ok(stopped.cost > 1_000_000 && stopped.cost < 1_000_010);
  assert.equal(evaluate('self.all(a, a >= 0)', { self: numbers }, 100).exceeded, true);
  assert.equal(evaluate('self.all(a, a >= 0)', { self: numbers }, 10_000).exceeded, false);
});

test('a rule may compare with what was there before, or with nothing', () => {
  const type = typeOfSchema({ type: 'object', properties: { size: { type: 'integer' } } });
  const rule = 'oldSelf.hasValue() ? self.size >= oldSelf.value().size : self.size == 1';
  const environment = kubernetesEnvironment.extend({ variables: { self: type, oldSelf: optionalType(type) } });
  const grows = program(rule, environment);
  assert.equal(grows.uses('oldSelf'), true);
  assert.equal(grows.evaluate({ self: { size: 1 } }).value, true);
  assert.equal(grows.evaluate({ self: { size: 2 }, oldSelf: undefined }).value, false);
  assert.equal(grows.evaluate({ self: { size: 2 }, oldSelf: { size: 1 } }).value, true);
  assert.equal(grows.evaluate({ self: { size: 1 }, oldSelf: { size: 2 } }).value, false);
});

test('lists that are sets or maps to Kubernetes are equal in any order, others are not', () => {
  const strings = { type: 'array', items: { type: 'string' } } as const;
  const type = typeOfSchema({
    type: 'object',
    properties: {
      set: { ...strings, listType: 'set' },
      plain: strings,
      map: {
        type: 'array',
        listType: 'map',
        listMapKeys: ['name'],
        items: {
          type: 'object',
          properties: { name: { type: 'string' }, at: { type: 'string', format: 'date-time' } },
        },
      },
    },
  });
  const at = '2024-01-01T00:00:00Z';
  const self = { set: ['a', 'b'], plain: ['a', 'b'], map: [{ name: 'x', at }, { name: 'y' }] };
  const oldSelf = {
    set: ['b', 'a'],
    plain: ['b', 'a'],
    map: [{ name: 'y' }, { name: 'x', at: '2024-01-01T01:00:00+01:00' }],
  };
  const ask = (source: string) => evaluate(source, { self: [type, self], oldSelf: [type, oldSelf] }).value;
  assert.equal(ask('self.set == oldSelf.set'), true);
  assert.equal(ask('self.plain == oldSelf.plain'), false);
  assert.equal(ask('self.map == oldSelf.map'), true);
  assert.deepEqual(jsonOf(ask("self.set + ['c', 'a']")), ['a', 'b', 'c']);
  assert.deepEqual(jsonOf(ask('(self.map + [self.map[0]]).map(m, m.name)')), ['x', 'y']);
});

test('objects that inherit nothing are read, and those that name what others inherit', () => {
  const type = typeOfSchema({
    type: 'object',
    properties: { constructor: { type: 'string' } as Schema, value: { type: 'integer' } },
  });
  assert.equal(evaluate('has(self.constructor)', { self: [type, {}] }).value, false);
  assert.equal(evaluate('self.constructor', { self: [type, { constructor: 'x' }] }).value, 'x');
  assert.equal(evaluate("'toString' in self || has(self.__proto__)", { self: [dynType, {}] }).value, false);
  assert.equal(evaluate("self['__proto__']", { self: [dynType, JSON.parse('{"__proto__": 5}')] }).value, 5);
  assert.equal(evaluate('self.value', { self: [type, Object.assign(Object.create(null), { value: 3 })] }).value, 3);
});

test('a schema that refers to itself has a type', () => {
  const node: { -readonly [K in keyof Schema]: Schema[K] } = { type: 'object' };
  node.properties = { name: { type: 'string' }, children: { type: 'array', items: node } };
  const self = { name: 'a', children: [{ name: 'b', children: [{ name: 'c' }] }] };
  assert.equal(evaluate('self.children[0].children[0].name', { self: [typeOfSchema(node), self] }).value, 'c');
});

test('values that do not fit their schema are errors, not crashes', () => {
  const type = typeOfSchema({
    type: 'object',
    properties: {
      text: { type: 'string', nullable: true },
      count: { type: 'integer' },
      inner: { type: 'object', properties: { a: { type: 'string' } } },
      at: { type: 'string', format: 'date-time' },
    },
  });
  const fails = (source: string, self: unknown) =>
    assert.equal(typeof evaluate(source, { self: [type, self] }).error, 'string', source);
  fails("self.text.startsWith('a')", { text: null });
  fails('self.count > 1', { count: 'many' });
  fails('self.inner.a.size() > 0', { inner: 'none' });
  fails('self.inner.a', { inner: null });
  fails('self.at.getHours()', { at: 'noon' });
  fails('self.count', null);
  fails('self.count', undefined);
});

test('checks of authorization are put to the caller', () => {
  const asked: AuthorizationCheck[] = [];
  const decide = (check: AuthorizationCheck) => {
    asked.push(check);
    return { allowed: check.verb === 'get', reason: 'because' };
  };
  const environment = kubernetesEnvironment.extend({
    variables: { authorizer: authorizerType, 'authorizer.requestResource': resourceCheckType },
  });
  const of = { group: 'apps', resource: 'deployments', subresource: '', namespace: 'ns', name: 'd' };
  const bindings = { authorizer: authorizerOf(decide), 'authorizer.requestResource': requestResourceOf(decide, of) };
  const ask = (source: string) => program(source, environment).evaluate(bindings);
  const source =
    "authorizer.serviceAccount('ns', 'sa').group('').resource('pods').namespace('ns').labelSelector('a=b').check('get').allowed()";
  const answer = ask(source);
  assert.equal(answer.value, true);
  assert.equal(answer.cost, 350_000 + 1 + 4 + 1 + 10 + 1 + 100);
  assert.deepEqual(asked.pop(), {
    group: '',
    resource: 'pods',
    subresource: '',
    namespace: 'ns',
    name: '',
    labelSelector: 'a=b',
    serviceAccount: { namespace: 'ns', name: 'sa' },
    verb: 'get',
  });
  assert.equal(ask("authorizer.requestResource.check('delete').reason()").value, 'because');
  assert.deepEqual(asked.pop(), { ...of, verb: 'delete' });
  assert.equal(ask("authorizer.path('/healthz').check('get').allowed()").value, true);
  assert.equal(asked.pop()?.path, '/healthz');
  assert.equal(ask("authorizer.path(' ').check('get').allowed()").error, 'path must not be empty');
});

test('expressions that change objects give objects and patches', () => {
  const environment = withObjectTypes(
    kubernetesEnvironment.extend({ variables: { object: dynType }, libraries: [jsonPatchLibrary] }),
  );
  const object = { spec: { replicas: 2 } };
  const made = program(
    "Object{spec: Object.spec{replicas: object.spec.replicas + 1, ?paused: optional.none(), template: Object.spec.template{labels: {'a': 'b'}}}}",
    environment,
  );
  assert.equal(String(made.type), 'Object');
  assert.deepEqual(jsonOf(made.evaluate({ object }).value), {
    spec: { replicas: 3, template: { labels: { a: 'b' } } },
  });
  const patch = program(
    "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 1.5}]",
    environment,
  );
  assert.equal(String(patch.type), 'list(JSONPatch)');
  assert.deepEqual(jsonOf(patch.evaluate({ object }).value), [
    { op: 'add', path: '/metadata/labels/a~1b', value: 1.5 },
  ]);
  assert.match(
    (compile('JSONPatch{nothing: 1}', environment) as { message: string }).message,
    /undefined field 'nothing'/,
  );
});

test('a variable may be worked out when it is read, and once it is bound it is read as often as wanted', () => {
  let read = 0;
  const variables = {
    get late() {
      read++;
      return 7;
    },
  };
  assert.equal(evaluate('false && variables.late > 1', { variables: [dynType, variables] }).value, false);
  assert.equal(read, 0);
  assert.equal(evaluate('variables.late > 1', { variables: [dynType, variables] }).value, true);
  assert.equal(read, 1);
  const environment = kubernetesEnvironment.extend({ libraries: [bindLibrary], variables: { variables: dynType } });
  const bound = program('cel.bind(x, variables.late, cel.bind(y, 1 / 0, x + x))', environment);
  assert.equal(bound.evaluate({ variables }).value, 14);
  assert.equal(read, 2);
});

test('a rule that could cost too much is told by how much', () => {
  const items: Schema = { type: 'array', items: { type: 'string' } };
  const environment = (self: Type) => kubernetesEnvironment.extend({ variables: { self } });
  const source = 'self.all(a, self.exists_one(b, a == b))';
  const free = estimateCost(program(source, environment(typeOfSchema(items)))).max;
  const bounded = estimateCost(
    program(source, environment(typeOfSchema({ ...items, maxItems: 10, items: { type: 'string', maxLength: 10 } }))),
  ).max;
  assert.ok(free > 100_000_000 && bounded < 2000);
  assert.match(
    costMessage('estimated rule cost', free, 10_000_000),
    /^estimated rule cost exceeds budget by factor of more than 100x \(try simplifying/,
  );
  assert.match(costMessage('estimated rule cost', 12_000_000, 10_000_000), /factor of 1\.200000x/);
  assert.match(costMessage('estimated rule cost', 25_000_000, 10_000_000), /factor of 2\.5x/);
  assert.equal(maxCardinality(typeOfSchema(items)), Math.floor((3 * 1024 * 1024) / 3));
});

test('text that grows and grows is not made', () => {
  const long: [Type, unknown] = [stringType, 'a'.repeat(300)];
  assert.match(
    evaluate("self.replace('', self).replace('', self).replace('', self).size()", { self: long }).error ?? '',
    /longer than/,
  );
  assert.equal(evaluate("self.replace('aaa', 'b').size()", { self: long }).value, 100);
  const big: [Type, unknown] = [stringType, 'a'.repeat(1_000_000)];
  assert.match(evaluate("lists.range(100).map(i, self).join('').size()", { self: big }).error ?? '', /longer than/);
  assert.match(
    evaluate("'%s%s%s%s%s%s%s%s%s%s%s'.format(lists.range(11).map(i, self))", { self: big }).error ?? '',
    /longer than/,
  );
});

test('mistakes are pointed at', () => {
  const compiled = compile(
    "'a😀' + self.b\n  + 1",
    kubernetesEnvironment.extend({
      variables: { self: typeOfSchema({ type: 'object', properties: { b: { type: 'string' } } }) },
    }),
  );
  assert.deepEqual(
    compiled.issues?.map(({ line, column }) => [line, column]),
    [[2, 3]],
  );
  assert.equal(
    (compiled as { message: string }).message,
    "compilation failed: ERROR: <input>:2:3: found no matching overload for '_+_' applied to '(string, int)'\n |   + 1\n | ..^",
  );
});

test('what is nested too deeply or too long is refused', () => {
  const refused = (source: string) => (compile(source, kubernetesEnvironment) as { message?: string }).message ?? '';
  assert.match(refused(`${'('.repeat(300)}1${')'.repeat(300)}`), /expression recursion limit exceeded: 250/);
  assert.match(refused(`${'['.repeat(10_000)}`), /expression recursion limit exceeded: 250/);
  assert.match(refused(`1${' + 1'.repeat(300)}`), /expression recursion limit exceeded: 250/);
  assert.match(
    refused(`'${'a'.repeat(100_001)}'`),
    /expression code point size exceeds limit: size: 100003, limit 100000/,
  );
  assert.match(refused(`optional.of(1)${'.optMap(x, x)'.repeat(200)}`), /too large once its macros are expanded/);
  assert.equal(refused(`true${' && true'.repeat(500)}`), '');
});

test('JSON is made of values that have one', () => {
  const json = (source: string) => toJson(evaluate(source).value);
  assert.deepEqual(
    json(
      "{'a': [dyn(1), dyn(2u), dyn(1.5), dyn(b'hi'), dyn(duration('90s')), dyn(timestamp('2024-01-01T00:00:00Z')), dyn(null)]}",
    ),
    {
      json: { a: [1, 2, 1.5, 'aGk=', '90s', '2024-01-01T00:00:00Z', null] },
    },
  );
  assert.match(json('{1: 2}').error ?? '', /no string/);
  assert.match(json("ip('1.1.1.1')").error ?? '', /net\.IP/);
});

test('a text variable holds text', () => {
  assert.equal(evaluate('name.upperAscii()', { name: [stringType, 'abc'] }).value, 'ABC');
  assert.equal(evaluate('name.upperAscii()', { name: [stringType, 5] }).error, 'no such overload: upperAscii(int)');
});
