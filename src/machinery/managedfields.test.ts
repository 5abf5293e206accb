import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cloneJson, freezeJson } from './json.ts';
import { type ManagedUpdate, updateManagedFields } from './managedfields.ts';
import type { AnyObject } from './meta.ts';
import { widget } from './testschema.ts';

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
const object = (spec: object, metadata: object = {}): AnyObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name: 'w', uid: 'u1', resourceVersion: '1', generation: 1, ...metadata },
  spec,
});

/** Writes one after the other, as the server would, and gives the last object. */
function writes(
  ...steps: [manager: string, spec: object, more?: Partial<ManagedUpdate> & { metadata?: object }][]
): AnyObject {
  let live: AnyObject | undefined;
  for (const [index, [manager, spec, { metadata, ...more } = {}]] of steps.entries()) {
    const updated = object(cloneJson(spec), metadata);
    updateManagedFields({
      live,
      updated,
      manager,
      apiVersion: 'example.com/v1',
      time: at(index),
      schema: widget,
      ...more,
    });
    live = freezeJson(cloneJson(updated));
  }
  return live!;
}

const owners = (of: AnyObject) =>
  Object.fromEntries((of.metadata.managedFields ?? []).map((entry) => [entry.manager!, entry.fieldsV1]));

describe('managed fields after a create', () => {
  test('the creator owns what it wrote, and not what the server keeps', () => {
    const made = writes(['me', { replicas: 1 }, { metadata: { labels: { app: 'x' } } }]);
    assert.deepEqual(made.metadata.managedFields, [
      {
        manager: 'me',
        operation: 'Update',
        apiVersion: 'example.com/v1',
        time: at(0),
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': { '.': {}, 'f:replicas': {} },
        },
      },
    ]);
  });

  test('every way of merging has its own kind of path', () => {
    const made = writes([
      'me',
      {
        selector: { a: 'b' },
        tags: ['x', 'y'],
        commands: ['a', 'b'],
        containers: [{ name: 'c', ports: [{ port: 80 }, { port: 80, protocol: 'UDP' }], args: ['z'] }],
        config: {},
        free: { any: { thing: [1, 2] } },
      },
      { metadata: { finalizers: ['f'] } },
    ]);
    assert.deepEqual(owners(made)['me'], {
      'f:metadata': { 'f:finalizers': { '.': {}, 'v:"f"': {} } },
      'f:spec': {
        '.': {},
        'f:selector': {},
        'f:tags': { '.': {}, 'v:"x"': {}, 'v:"y"': {} },
        'f:commands': {},
        'f:containers': {
          '.': {},
          'k:{"name":"c"}': {
            '.': {},
            'f:name': {},
            'f:ports': {
              '.': {},
              'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} },
              'k:{"port":80,"protocol":"UDP"}': { '.': {}, 'f:port': {}, 'f:protocol': {} },
            },
            'f:args': {},
          },
        },
        'f:config': {},
        'f:free': { '.': {}, 'f:any': { '.': {}, 'f:thing': {} } },
      },
    });
  });

  test('a writer without a name is called unknown', () => {
    assert.equal(writes(['', { replicas: 1 }]).metadata.managedFields![0]!.manager, 'unknown');
  });

  test('fields that the endpoint resets are not owned', () => {
    const updated = { ...object({ replicas: 1 }), status: { ready: 1 } };
    updateManagedFields({
      live: undefined,
      updated,
      manager: 'me',
      apiVersion: 'v1',
      time: at(0),
      schema: widget,
      resetFields: { 'f:status': {} },
    });
    assert.deepEqual(owners(updated)['me'], { 'f:spec': { '.': {}, 'f:replicas': {} } });
  });
});

describe('managed fields after an update', () => {
  test('who changes a field takes it, who had it loses it', () => {
    const after = writes(['a', { replicas: 1, paused: true }], ['b', { replicas: 2, paused: true }]);
    assert.deepEqual(owners(after), {
      a: { 'f:spec': { '.': {}, 'f:paused': {} } },
      b: { 'f:spec': { 'f:replicas': {} } },
    });
  });

  test('who is left with nothing is left out', () => {
    const after = writes(['a', { replicas: 1 }], ['b', { replicas: 2 }], ['c', { replicas: 3 }]);
    assert.deepEqual(Object.keys(owners(after)), ['a', 'c']);
  });

  test("what is gone is nobody's", () => {
    const after = writes(
      ['a', { replicas: 1, paused: true, config: { x: '1', y: '2' } }],
      ['b', { replicas: 1, config: { x: '1' } }],
    );
    assert.deepEqual(owners(after), {
      a: { 'f:spec': { '.': {}, 'f:replicas': {}, 'f:config': { '.': {}, 'f:x': {} } } },
    });
  });

  test('an item of a list is taken field by field', () => {
    const container = { name: 'c', image: '1', args: ['a'] };
    const after = writes(
      ['a', { containers: [container] }],
      ['b', { containers: [{ ...container, image: '2' }, { name: 'd' }] }],
    );
    assert.deepEqual(owners(after)['b'], {
      'f:spec': {
        'f:containers': { 'k:{"name":"c"}': { 'f:image': {} }, 'k:{"name":"d"}': { '.': {}, 'f:name': {} } },
      },
    });
    assert.equal(owners(after)['a']!['f:spec']!['f:containers']!['k:{"name":"c"}']!['f:image'], undefined);
  });

  test('the order of a list is no change, of an atomic one it is', () => {
    const before = { tags: ['x', 'y'], commands: ['a', 'b'], containers: [{ name: 'c' }, { name: 'd' }] };
    const after = writes(
      ['a', before],
      ['b', { tags: ['y', 'x'], commands: ['b', 'a'], containers: [{ name: 'd' }, { name: 'c' }] }],
    );
    assert.deepEqual(owners(after)['b'], { 'f:spec': { 'f:commands': {} } });
  });

  test('a write that changes nothing leaves the entries as they were', () => {
    const once = writes(['a', { replicas: 1, containers: [{ name: 'c', image: '1' }] }]);
    const again = writes(
      ['a', once['spec']],
      ['a', once['spec']],
      ['b', once['spec'], { metadata: { resourceVersion: '9', generation: 7 } }],
    );
    assert.deepEqual(again.metadata.managedFields, once.metadata.managedFields);
  });

  test('the time moves with a change, and with nothing else', () => {
    const times = (of: AnyObject) => of.metadata.managedFields!.map((entry) => entry.time);
    assert.deepEqual(times(writes(['a', { replicas: 1 }], ['a', { replicas: 2 }])), [at(1)]);
    assert.deepEqual(times(writes(['a', { replicas: 1, paused: true }], ['b', { replicas: 1 }])), [at(0)]);
  });

  test('subresources and versions are entries of their own', () => {
    const after = writes(
      ['a', { replicas: 1 }],
      ['a', { replicas: 2 }, { subresource: 'scale' }],
      ['a', { replicas: 2, paused: true }, { apiVersion: 'example.com/v2' }],
    );
    assert.deepEqual(
      after.metadata.managedFields!.map(({ apiVersion, subresource }) => [apiVersion, subresource]),
      [
        ['example.com/v1', undefined],
        ['example.com/v1', 'scale'],
        ['example.com/v2', undefined],
      ],
    );
  });

  test('items of the same name are one, and part again', () => {
    const twice = [
      { name: 'c', image: '1' },
      { name: 'c', image: '2' },
    ];
    const doubled = writes(['a', { containers: [{ name: 'c', image: '1' }] }], ['b', { containers: twice }]);
    assert.deepEqual(owners(doubled)['b'], { 'f:spec': { 'f:containers': { 'k:{"name":"c"}': {} } } });
    const single = writes(['b', { containers: twice }], ['c', { containers: [{ name: 'c', image: '1' }] }]);
    assert.deepEqual(owners(single)['c'], {
      'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:image': {} } } },
    });
  });

  test('at most ten updaters are kept apart, the oldest are joined', () => {
    const steps = Array.from({ length: 14 }, (_, i): [string, object] => [
      `m${i}`,
      { config: Object.fromEntries(Array.from({ length: i + 1 }, (_x, j) => [`k${j}`, '1'])) },
    ]);
    const entries = writes(...steps).metadata.managedFields!;
    assert.equal(entries.length, 10);
    assert.deepEqual(
      entries.map(({ manager }) => manager),
      ['ancient-changes', 'm5', 'm6', 'm7', 'm8', 'm9', 'm10', 'm11', 'm12', 'm13'],
    );
    assert.deepEqual(entries[0]!.fieldsV1!['f:spec']!['f:config'], {
      '.': {},
      'f:k0': {},
      'f:k1': {},
      'f:k2': {},
      'f:k3': {},
      'f:k4': {},
    });
    assert.equal(entries[0]!.time, at(4));
  });
});

describe('managed fields that a client sends', () => {
  test('are taken in place of the stored ones', () => {
    const entry = {
      manager: 'z',
      operation: 'Update',
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    };
    const after = writes(['a', { replicas: 1 }], ['b', { replicas: 1 }, { metadata: { managedFields: [entry] } }]);
    assert.deepEqual(Object.keys(owners(after)), ['z']);
  });
  test('reset ownership when they are empty, and nobody owns until somebody applies', () => {
    for (const managedFields of [[], [{}]]) {
      const after = writes(
        ['a', { replicas: 1 }],
        ['b', { replicas: 2 }, { metadata: { managedFields } }],
        ['c', { replicas: 3 }],
      );
      assert.equal(after.metadata.managedFields, undefined);
    }
  });
  test('are passed over when they are broken', () => {
    for (const broken of [
      { manager: 'z', operation: 'Delete', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} },
      { manager: 'z', operation: 'Update', fieldsType: 'FieldsV1', fieldsV1: {} },
      { manager: 'z', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV9', fieldsV1: {} },
      { manager: 'z', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { spec: {} } },
    ]) {
      const after = writes(['a', { replicas: 1 }], ['b', { replicas: 2 }, { metadata: { managedFields: [broken] } }]);
      assert.deepEqual(Object.keys(owners(after)), ['a', 'b'], JSON.stringify(broken));
    }
  });
});

test('the fields of a manager stand in the order in which Go writes them', () => {
  const { managedFields } = writes(['a', { replicas: 1, labels: { z: '1', a: '2' }, color: 'red' }]).metadata;
  const ordered = (set: object): boolean =>
    Object.keys(set).join() === Object.keys(set).toSorted().join() && Object.values(set).every((one) => ordered(one));
  assert.ok(ordered(managedFields![0]!.fieldsV1!), JSON.stringify(managedFields));
});
