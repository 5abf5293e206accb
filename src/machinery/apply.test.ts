import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Apply, applyPatch } from './apply.ts';
import { cloneJson, freezeJson } from './json.ts';
import { updateManagedFields } from './managedfields.ts';
import type { AnyObject } from './meta.ts';
import { isStatusError, type StatusError } from './status.ts';
import { widget } from './testschema.ts';

const time = '2026-01-01T00:00:00Z';
const later = '2026-01-02T00:00:00Z';
const apiVersion = 'example.com/v1';
const object = (spec: object | undefined, metadata: object = {}): AnyObject => ({
  apiVersion,
  kind: 'Widget',
  metadata: { name: 'w', ...metadata },
  ...(spec && { spec }),
});

function apply(
  live: AnyObject | undefined,
  manager: string,
  spec: object | undefined,
  more: Partial<Apply> & { metadata?: object } = {},
): AnyObject {
  const { metadata, ...rest } = more;
  const result = applyPatch({
    live,
    applied: freezeJson(object(spec, metadata)),
    manager,
    apiVersion,
    time,
    schema: widget,
    ...rest,
  });
  result.metadata = { ...result.metadata, uid: 'u1' };
  return freezeJson(cloneJson(result));
}

function update(
  live: AnyObject | undefined,
  manager: string,
  spec: object,
  more: { subresource?: string; metadata?: object } = {},
): AnyObject {
  const updated = object(cloneJson(spec), { uid: 'u1', ...more.metadata });
  updateManagedFields({ live, updated, manager, apiVersion, time, schema: widget, subresource: more.subresource });
  return freezeJson(cloneJson(updated));
}

const owners = (of: AnyObject) =>
  Object.fromEntries(of.metadata.managedFields!.map((entry) => [entry.manager!, entry.fieldsV1]));

function conflict(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    assert.ok(isStatusError(error, 'Conflict'), String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'no conflict' });
}

describe('server-side apply', () => {
  test('makes the object and owns what was said', () => {
    const made = apply(
      undefined,
      'a',
      { replicas: 1, containers: [{ name: 'c', image: '1' }] },
      { metadata: { labels: { x: 'y' } } },
    );
    assert.deepEqual(made['spec'], { replicas: 1, containers: [{ name: 'c', image: '1' }] });
    assert.deepEqual(made.metadata.managedFields, [
      {
        manager: 'a',
        operation: 'Apply',
        apiVersion,
        time,
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { 'f:x': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:image': {} } },
          },
        },
      },
    ]);
  });

  test('again changes nothing, not even the time', () => {
    const spec = { replicas: 1, tags: ['a'], containers: [{ name: 'c' }] };
    const once = apply(undefined, 'a', spec);
    assert.deepEqual(apply(once, 'a', spec, { time: later }), once);
  });

  test('takes away what it applied before and no longer does', () => {
    const live = apply(undefined, 'a', {
      replicas: 1,
      paused: true,
      config: { x: '1', y: '2' },
      tags: ['s', 't'],
      containers: [{ name: 'c', image: '1' }, { name: 'd' }],
    });
    const after = apply(live, 'a', { replicas: 1, config: { y: '2' }, tags: ['t'], containers: [{ name: 'd' }] });
    assert.deepEqual(after['spec'], { replicas: 1, config: { y: '2' }, tags: ['t'], containers: [{ name: 'd' }] });
  });

  test('leaves what somebody else owns or what nobody applied', () => {
    let live = apply(undefined, 'a', { replicas: 1, config: { x: '1' } });
    live = apply(live, 'b', { replicas: 1, config: { z: '3' } });
    live = update(live, 'c', { ...live['spec'], paused: true });
    const after = apply(live, 'a', undefined);
    assert.deepEqual(after['spec'], { replicas: 1, config: { z: '3' }, paused: true });
    assert.deepEqual(Object.keys(owners(after)), ['b', 'c']);
  });

  test('takes a whole item away with what others added inside it, unless they hold on to the item', () => {
    let live = apply(undefined, 'a', { containers: [{ name: 'c', image: '1' }, { name: 'd' }] });
    live = update(live, 'u', {
      containers: [{ name: 'c', image: '1', env: [{ name: 'E', value: '1' }] }, { name: 'd' }],
    });
    assert.deepEqual(apply(live, 'a', { containers: [{ name: 'd' }] })['spec'], { containers: [{ name: 'd' }] });
    const held = apply(live, 'b', { containers: [{ name: 'c' }] });
    assert.deepEqual(apply(held, 'a', { containers: [{ name: 'd' }] })['spec'].containers, [
      { name: 'c', env: [{ name: 'E', value: '1' }] },
      { name: 'd' },
    ]);
  });

  test('takes the last annotation away, and not the name with it', () => {
    const live = apply(undefined, 'a', { replicas: 1 }, { metadata: { annotations: { x: 'y' } } });
    const result = apply(live, 'a', { replicas: 1 });
    assert.equal(result.metadata.name, 'w');
    assert.equal(result.metadata.annotations, undefined);
  });

  test('keeps a container that its emptied field was in', () => {
    const live = apply(undefined, 'a', { nested: { a: '1', deep: { c: '1' } } });
    assert.deepEqual(apply(live, 'a', { nested: { a: '1' } })['spec'], { nested: { a: '1' } });
  });

  test('replaces atomic values whole', () => {
    const live = apply(undefined, 'a', { selector: { x: '1', y: '2' }, commands: ['1', '2'] });
    assert.deepEqual(apply(live, 'a', { selector: { x: '1' }, commands: ['3'] })['spec'], {
      selector: { x: '1' },
      commands: ['3'],
    });
  });

  test('names items with the defaults of their keys', () => {
    const live = update(undefined, 'u', { containers: [{ name: 'c', ports: [{ port: 80, protocol: 'TCP' }] }] });
    const after = apply(live, 'a', { containers: [{ name: 'c', ports: [{ port: 80, name: 'http' }] }] });
    assert.deepEqual(after['spec'].containers[0].ports, [{ port: 80, protocol: 'TCP', name: 'http' }]);
  });

  test('orders items as they are applied, others where they stood', () => {
    const names = (live: string[], applied: string[]) =>
      apply(update(undefined, 'u', { tags: live }), 'a', { tags: applied })['spec'].tags.join('');
    assert.equal(names(['a', 'b', 'c'], ['c', 'a']), 'bca');
    assert.equal(names(['a', 'b'], ['x', 'a', 'y']), 'xaby');
    assert.equal(names(['x', 'y'], ['a']), 'xya');
    assert.equal(names(['a', 'b', 'c', 'd'], ['d', 'b']), 'acdb');
  });

  test('does not merge with live items of the same name', () => {
    const live = update(undefined, 'u', {
      containers: [{ name: 'c', image: '1' }, { name: 'c', image: '2' }, { name: 'd' }],
    });
    assert.deepEqual(apply(live, 'a', { containers: [{ name: 'd', image: '3' }] })['spec'].containers, [
      { name: 'c', image: '1' },
      { name: 'c', image: '2' },
      { name: 'd', image: '3' },
    ]);
  });
});

describe('a conflict', () => {
  test('names the field and the manager that updated it', () => {
    const live = update(undefined, 'kubectl-client-side-apply', { replicas: 1 });
    const error = conflict(() => apply(live, 'a', { replicas: 2 }));
    assert.equal(
      error.message,
      `Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using ${apiVersion}: .spec.replicas`,
    );
    assert.deepEqual(error.toStatus().details?.causes, [
      {
        reason: 'FieldManagerConflict',
        message: `conflict with "kubectl-client-side-apply" using ${apiVersion}`,
        field: '.spec.replicas',
      },
    ]);
    assert.equal(error.code, 409);
  });

  test('lists several by manager', () => {
    let live = apply(undefined, 'b', { replicas: 1, containers: [{ name: 'c', image: '1' }] });
    live = update(live, 'u', { ...live['spec'], paused: true }, { subresource: 'scale' });
    const error = conflict(() =>
      apply(live, 'a', { replicas: 2, paused: false, containers: [{ name: 'c', image: '2' }] }),
    );
    assert.equal(
      error.message,
      [
        'Apply failed with 3 conflicts: conflicts with "b":',
        '- .spec.replicas',
        '- .spec.containers[name="c"].image',
        `conflicts with "u" with subresource "scale" using ${apiVersion}:`,
        '- .spec.paused',
      ].join('\n'),
    );
  });

  test('is none when the value is the same, and the field then has two owners', () => {
    const live = apply(apply(undefined, 'a', { replicas: 1 }), 'b', { replicas: 1 });
    assert.deepEqual(Object.keys(owners(live)), ['a', 'b']);
    conflict(() => apply(live, 'a', { replicas: 2 }));
  });

  test('is won by force, and the loser loses the field', () => {
    const live = apply(apply(undefined, 'a', { replicas: 1, paused: true }), 'b', { replicas: 2 }, { force: true });
    assert.equal(live['spec'].replicas, 2);
    assert.deepEqual(owners(live), { a: { 'f:spec': { 'f:paused': {} } }, b: { 'f:spec': { 'f:replicas': {} } } });
  });
});

describe('an object that nobody was known to own', () => {
  test('belongs to before-first-apply', () => {
    const live = freezeJson(object({ replicas: 1, paused: true }, { uid: 'u1' }));
    const error = conflict(() => apply(live, 'a', { replicas: 2 }));
    assert.match(error.message, /conflict with "before-first-apply" using example.com\/v1: .spec.replicas/);
    assert.deepEqual(Object.keys(owners(apply(live, 'a', { replicas: 1 }))), ['a', 'before-first-apply']);
  });
});

describe('an object that kubectl applied on the client', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const clientSide = (spec: object, live = spec) =>
    update(undefined, 'kubectl-client-side-apply', live, {
      metadata: { annotations: { [annotation]: JSON.stringify(object(spec)) } },
    });

  test('passes to kubectl on the server without conflict', () => {
    const after = apply(clientSide({ replicas: 1 }), 'kubectl', { replicas: 2 });
    assert.equal(after['spec'].replicas, 2);
    assert.equal(JSON.parse(after.metadata.annotations![annotation]!).spec.replicas, 2);
    assert.equal(
      after.metadata.managedFields!.find(({ operation }) => operation === 'Update')!.fieldsV1!['f:spec']!['f:replicas'],
      undefined,
    );
  });
  test('still conflicts where the live value is not what was applied', () => {
    assert.match(
      conflict(() => apply(clientSide({ replicas: 1 }, { replicas: 5 }), 'kubectl', { replicas: 2 })).message,
      /1 conflict/,
    );
  });
  test('conflicts with any other manager', () => {
    conflict(() => apply(clientSide({ replicas: 1 }), 'argo', { replicas: 2 }));
  });
});

describe('a configuration that makes no sense is refused', () => {
  const refuse = (spec: object, words: RegExp, more: Partial<Apply> & { metadata?: object } = {}) =>
    assert.throws(() => apply(undefined, 'a', spec, more), { reason: 'BadRequest', message: words });
  test('a field that is not in the schema', () =>
    refuse(
      { nested: { x: 1 } },
      /^failed to create typed patch object \(\/w; example.com\/v1, Kind=Widget\): \.spec\.nested\.x: field not declared in schema$/,
    ));
  test('an item twice', () =>
    refuse(
      { containers: [{ name: 'c' }, { name: 'c' }] },
      /\.spec\.containers: duplicate entries for key \[name="c"\]/,
    ));
  test('an item without its key', () =>
    refuse(
      { containers: [{ image: 'c' }] },
      /\.spec\.containers: element 0: associative list with keys has an element that omits all key fields \["name"\]/,
    ));
  test('several at once', () =>
    refuse({ x: 1, y: 2 }, /: errors:\n {2}\.spec\.x: field not declared in schema\n {2}\.spec\.y: /));
  test('another version', () =>
    refuse({}, /^Incorrect version specified in apply patch/, { apiVersion: 'example.com/v2' }));
  test('managed fields', () => refuse({}, /^metadata.managedFields must be nil$/, { metadata: { managedFields: [] } }));
});

test('fields that the endpoint resets are merged but never owned', () => {
  const live = apply(undefined, 'a', { replicas: 1, paused: true }, { resetFields: { 'f:spec': { 'f:paused': {} } } });
  assert.deepEqual(owners(live), { a: { 'f:spec': { 'f:replicas': {} } } });
});
