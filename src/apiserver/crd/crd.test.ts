import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Door, openDoor } from '../testkit/index.ts';
import { definition, definitions, established } from './testkit/index.ts';

const tabs = '/apis/stable.example.com/v1/namespaces/default/crontabs';
const tab = (name: string, spec: object = { cronSpec: '* * * * *' }, more: object = {}) => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name },
  spec,
  ...more,
});
const merge = { 'content-type': 'application/merge-patch+json' };

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['cronSpec'],
      properties: {
        cronSpec: { type: 'string', pattern: '^[0-9 *]+$' },
        replicas: { type: 'integer', minimum: 1, default: 1 },
        image: { type: 'string', nullable: true },
        port: { 'x-kubernetes-int-or-string': true },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
        rows: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' }, value: { type: 'string', maxLength: 5 } },
          },
        },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, selector: { type: 'string' } } },
  },
};

describe('custom resources over HTTPS', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    const version = {
      schema: { openAPIV3Schema: schema },
      subresources: {
        status: {},
        scale: {
          specReplicasPath: '.spec.replicas',
          statusReplicasPath: '.status.replicas',
          labelSelectorPath: '.status.selector',
        },
      },
      additionalPrinterColumns: [
        { name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' },
        { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', priority: 1 },
        { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ],
      selectableFields: [{ jsonPath: '.spec.image' }],
    };
    const made = await door.ask('POST', definitions, { body: definition({ versions: [{ name: 'v1', ...version }] }) });
    assert.equal(made.status, 201, made.text);
  });
  after(() => door[Symbol.asyncDispose]());

  test('an instance can be created at once after its definition', async () => {
    const group = 'at-once.example.com';
    const body = definition({ group, plural: 'things', kind: 'Thing', scope: 'Cluster' });
    const [made, instance] = await Promise.all([
      door.ask('POST', definitions, { body }),
      door
        .ask('POST', definitions, { body: definition({ group, plural: 'others', kind: 'Other', scope: 'Cluster' }) })
        .then(() =>
          door.ask('POST', `/apis/${group}/v1/others`, { body: { metadata: { name: 'a' }, spec: { x: 1 } } }),
        ),
    ]);
    assert.deepEqual([made.status, instance.status], [201, 201], instance.text);
    assert.deepEqual(instance.body.spec, { x: 1 });
    assert.equal(instance.body.kind, 'Other');
    await established(door, `things.${group}`);
  });

  test('unknown fields are pruned, warned of or refused, defaults are filled, null is absence', async () => {
    const spec = { cronSpec: '*', nope: 1, image: null, replicas: null, free: { any: { thing: 1 } } };
    const made = await door.ask('POST', tabs, { body: tab('pruned', spec) });
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(made.body.spec, { cronSpec: '*', image: null, replicas: 1, free: { any: { thing: 1 } } });
    assert.match(String(made.headers.warning), /unknown field \\"spec.nope\\"/);
    const strict = await door.ask('POST', `${tabs}?fieldValidation=Strict`, { body: tab('strict', spec) });
    assert.equal(strict.status, 400);
    assert.match(strict.body.message, /strict decoding error: unknown field "spec.nope"/);
    assert.deepEqual((await door.ask('GET', `${tabs}/pruned`)).body, made.body);
  });

  test('what breaks the schema is told field by field', async () => {
    const spec = { cronSpec: 'no!', replicas: 0, port: 1.5, tags: ['a', 'a'], rows: [{ name: 'x' }, { name: 'x' }] };
    const { status, body } = await door.ask('POST', tabs, { body: tab('bad', spec) });
    assert.deepEqual([status, body.reason], [422, 'Invalid']);
    assert.deepEqual(
      body.details.causes.map((one: any) => one.field),
      ['spec.cronSpec', 'spec.replicas', 'spec.port', 'spec.tags[1]', 'spec.rows[1]'],
    );
    assert.match(body.message, /^CronTab.stable.example.com "bad" is invalid: /);
    const missing = await door.ask('POST', tabs, { body: tab('bad', {}) });
    assert.match(missing.body.message, /spec.cronSpec: Required value/);
  });

  test('generation counts changes of all but metadata and status; status is written on its own', async () => {
    const made = (await door.ask('POST', tabs, { body: tab('gen', undefined, { status: { replicas: 7 } }) })).body;
    assert.deepEqual([made.metadata.generation, made.status], [1, undefined]);
    const labelled = { metadata: { labels: { a: 'b' } } };
    assert.equal(
      (await door.ask('PATCH', `${tabs}/gen`, { body: labelled, headers: merge })).body.metadata.generation,
      1,
    );
    const changed = await door.ask('PATCH', `${tabs}/gen`, {
      body: { spec: { replicas: 2 }, status: { replicas: 9 } },
      headers: merge,
    });
    assert.deepEqual([changed.body.metadata.generation, changed.body.status], [2, undefined]);
    const told = await door.ask('PATCH', `${tabs}/gen/status`, {
      body: { spec: { replicas: 5 }, status: { replicas: 3 } },
      headers: merge,
    });
    assert.deepEqual(
      [told.body.metadata.generation, told.body.spec.replicas, told.body.status],
      [2, 2, { replicas: 3 }],
    );
    const bad = await door.ask('PATCH', `${tabs}/gen/status`, { body: { status: { replicas: 'x' } }, headers: merge });
    assert.equal(bad.status, 422);
  });

  test('an update says which revision it read; a strategic merge patch is not for custom resources', async () => {
    const made = (await door.ask('POST', tabs, { body: tab('put') })).body;
    const blind = await door.ask('PUT', `${tabs}/put`, { body: tab('put') });
    assert.equal(blind.status, 422);
    assert.match(blind.body.message, /metadata.resourceVersion: Invalid value: .*must be specified for an update/);
    const next = { ...made, spec: { ...made.spec, image: 'x' } };
    assert.equal((await door.ask('PUT', `${tabs}/put`, { body: next })).status, 200);
    const headers = { 'content-type': 'application/strategic-merge-patch+json' };
    const strategic = await door.ask('PATCH', `${tabs}/put`, { body: { spec: {} }, headers });
    assert.deepEqual([strategic.status, strategic.body.reason], [415, 'UnsupportedMediaType']);
  });

  test('scale is read and written at the paths of the definition', async () => {
    await door.ask('POST', tabs, { body: tab('scaled', { cronSpec: '*', replicas: 4 }) });
    const status = { status: { replicas: 2, selector: 'a=b' } };
    await door.ask('PATCH', `${tabs}/scaled/status`, { body: status, headers: merge });
    const { body } = await door.ask('GET', `${tabs}/scaled/scale`);
    assert.deepEqual([body.kind, body.spec, body.status], ['Scale', { replicas: 4 }, { replicas: 2, selector: 'a=b' }]);
    const scaled = await door.ask('PUT', `${tabs}/scaled/scale`, { body: { ...body, spec: { replicas: 6 } } });
    assert.equal(scaled.body.spec.replicas, 6, scaled.text);
    assert.equal((await door.ask('GET', `${tabs}/scaled`)).body.spec.replicas, 6);
  });

  test('a table has the columns of the definition', async () => {
    await door.ask('POST', tabs, { body: tab('table') });
    const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const { body } = await door.ask('GET', `${tabs}/table`, { headers });
    assert.deepEqual(
      body.columnDefinitions.map((one: any) => [one.name, one.type, one.priority]),
      [
        ['Name', 'string', 0],
        ['Spec', 'string', 0],
        ['Replicas', 'integer', 1],
        ['Age', 'date', 0],
      ],
    );
    assert.deepEqual(body.rows[0].cells, ['table', '* * * * *', 1, '0s']);
  });

  test('selectable fields select, in lists and watches; others are refused', async () => {
    await door.ask('POST', tabs, { body: tab('red', { cronSpec: '*', image: 'red' }) });
    await door.ask('POST', tabs, { body: tab('blue', { cronSpec: '*', image: 'blue' }) });
    const list = await door.ask('GET', `${tabs}?fieldSelector=spec.image%3Dred`);
    assert.deepEqual(
      list.body.items.map((one: any) => one.metadata.name),
      ['red'],
    );
    assert.equal((await door.ask('GET', `${tabs}?fieldSelector=spec.cronSpec%3D*`)).status, 400);
    const watch = await door.watch(
      `${tabs}?watch=1&fieldSelector=spec.image%3Dred&resourceVersion=${list.body.metadata.resourceVersion}`,
    );
    await door.ask('PATCH', `${tabs}/red`, { body: { spec: { image: 'green' } }, headers: merge });
    const event = await watch.next();
    assert.deepEqual([event?.type, event?.object.metadata.name], ['DELETED', 'red']);
    watch.close();
  });

  test('apply merges lists as the schema says and names conflicts', async () => {
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const rows = (...list: object[]) => ({ ...tab('applied', { cronSpec: '*', rows: list }) });
    const one = await door.ask('PATCH', `${tabs}/applied?fieldManager=one`, {
      body: rows({ name: 'a', value: '1' }),
      headers,
    });
    assert.equal(one.status, 201, one.text);
    const two = await door.ask('PATCH', `${tabs}/applied?fieldManager=two`, {
      body: rows({ name: 'b', value: '2' }),
      headers,
    });
    assert.deepEqual(two.body.spec.rows, [
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ]);
    const conflict = await door.ask('PATCH', `${tabs}/applied?fieldManager=two`, {
      body: rows({ name: 'a', value: '3' }),
      headers,
    });
    assert.equal(conflict.status, 409);
    assert.match(conflict.body.message, /conflict with "one": \.spec\.rows\[name="a"\]\.value/);
  });

  test('an invalid part that is left alone does not stop a change elsewhere', async () => {
    const group = 'ratchet.example.com';
    const at = `/apis/${group}/v1/olds`;
    const made = definition({ group, plural: 'olds', kind: 'Old', scope: 'Cluster' });
    await door.ask('POST', definitions, { body: made });
    await door.ask('POST', at, { body: { metadata: { name: 'a' }, spec: { size: 'huge', colour: 'red' } } });
    const stricter = {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          properties: { size: { type: 'string', enum: ['small'] }, colour: { type: 'string', maxLength: 4 } },
        },
      },
    };
    const body = [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value: stricter }];
    const headers = { 'content-type': 'application/json-patch+json' };
    const patched = await door.ask('PATCH', `${definitions}/olds.${group}`, { body, headers });
    assert.equal(patched.status, 200, patched.text);
    const change = (spec: object) => door.ask('PATCH', `${at}/a`, { body: { spec }, headers: merge });
    assert.equal((await change({ colour: 'blue' })).status, 200);
    assert.equal((await change({ size: 'vast' })).status, 422);
    assert.equal((await change({ colour: 'crimson' })).status, 422);
  });

  test('defaults that are added later show in what was stored before', async () => {
    const group = 'later.example.com';
    const at = `/apis/${group}/v1/lates`;
    await door.ask('POST', definitions, {
      body: definition({ group, plural: 'lates', kind: 'Late', scope: 'Cluster' }),
    });
    await door.ask('POST', at, { body: { metadata: { name: 'a' }, spec: { left: 1, gone: 2 } } });
    const watch = await door.watch(`${at}?watch=1`);
    assert.deepEqual((await watch.next())?.object.spec, { left: 1, gone: 2 });
    const value = {
      type: 'object',
      properties: {
        spec: { type: 'object', properties: { left: { type: 'integer' }, size: { type: 'integer', default: 3 } } },
      },
    };
    const body = [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value }];
    const headers = { 'content-type': 'application/json-patch+json' };
    await door.ask('PATCH', `${definitions}/lates.${group}`, { body, headers });
    assert.equal(await watch.next(), undefined, 'a watch ends with the schema that it shows');
    assert.deepEqual((await door.ask('GET', `${at}/a`)).body.spec, { left: 1, size: 3 });
    assert.deepEqual((await door.ask('GET', at)).body.items[0].spec, { left: 1, size: 3 });
    const again = await door.watch(`${at}?watch=1`);
    assert.deepEqual((await again.next())?.object.spec, { left: 1, size: 3 });
    again.close();
  });
});
