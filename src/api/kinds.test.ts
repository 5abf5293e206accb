import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneJson, type Random, type Schema, seededRandom } from '../machinery/index.ts';
import { definition, definitionNames, kindOfGvk, kindOfResource, kinds, validatorOf } from './index.ts';

// Loading src/api takes 15-25 ms built, 80 ms as sources with a compile cache, on the machine of November 2026.

test('every kind is found by its path and by its name, once', () => {
  assert.equal(kinds.length, 77);
  for (const kind of kinds) {
    assert.equal(kindOfResource(kind.group, kind.version, kind.resource), kind);
    assert.equal(kindOfGvk(kind), kind);
    assert.ok(kind.schema.properties?.metadata, kind.kind);
  }
  assert.equal(kindOfResource('apps', 'v1', 'deployments')?.shortNames[0], 'deploy');
  assert.equal(kindOfResource('apps', 'v1', 'deployments')?.subresources.scale?.kind.group, 'autoscaling');
  assert.deepEqual(kindOfResource('', 'v1', 'pods')?.subresources.binding, {
    kind: { group: '', version: 'v1', kind: 'Binding' },
    verbs: ['create'],
  });
  assert.equal(kindOfResource('apps', 'v1', 'constructor'), undefined);
});

test('every definition can be reached', () => {
  const names = definitionNames();
  assert.ok(names.length > 600);
  for (const name of names) assert.equal(definition(name)?.ref, name);
  assert.equal(definition('io.k8s.api.core.v1.Nothing'), undefined);
});

/** A value of this schema, as a client might send one, good or bad beyond its types. */
function anyValue(schema: Schema, random: Random, depth: number): unknown {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random.next() * list.length)]!;
  if (schema.format === 'quantity') return pick(['1', '100m', '1Gi', '-1', 3]);
  if (schema.format === 'int-or-string') return pick([1, '10%', 'http', -3]);
  if (schema.format === 'date-time' || schema.format === 'micro-time')
    return pick(['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123456+01:00']);
  if (schema.format === 'byte') return pick(['', 'YQ==']);
  if (schema.enum) return pick([...schema.enum, 'other']);
  switch (schema.type) {
    case 'string':
      return pick(['', 'a', 'a.b.c', '10.0.0.1', 'A b', '/x', 'a/b']);
    case 'boolean':
      return random.next() < 0.5;
    case 'integer':
    case 'number':
      return pick([0, 1, 80, -1, 70_000]);
    case 'array':
      return depth > 9
        ? []
        : Array.from({ length: Math.floor(random.next() * 3) }, () => anyValue(schema.items!, random, depth + 1));
  }
  if (schema.additionalProperties) return { a: anyValue(schema.additionalProperties, random, depth + 1) };
  const object: Record<string, unknown> = {};
  const chance = [1, 0.8, 0.5, 0.4, 0.35, 0.3, 0.25][depth] ?? 0.1;
  for (const [name, field] of Object.entries(schema.properties ?? {}))
    if (random.next() < chance && depth < 12) object[name] = anyValue(field, random, depth + 1);
  return object;
}

test('whatever of the right types is sent to any kind, defaulting settles and nothing throws', () => {
  for (const kind of kinds) {
    const random = seededRandom(kind.kind.length * 1000 + kind.resource.length);
    const validator = validatorOf(kind.schema);
    for (let i = 0; i < 40; i++) {
      const sent = {
        ...(anyValue(kind.schema, random, i % 4) as object),
        apiVersion: 'x',
        kind: kind.kind,
        metadata: { name: 'a', uid: 'u', namespace: 'default' },
      };
      const object: any = cloneJson(sent);
      const where = `${kind.kind} ${JSON.stringify(sent)}`;
      assert.equal(validator.take(object), undefined, where);
      const again = cloneJson(object);
      validator.take(again);
      assert.deepEqual(again, object, where);
      kind.default?.(object);
      kind.prepare?.(object, undefined);
      kind.default?.(object);
      const settled = cloneJson(object);
      kind.default?.(settled);
      assert.deepEqual(settled, object, where);
      for (const { message, field } of kind.validate?.(object, undefined) ?? [])
        assert.ok(typeof message === 'string' && typeof field === 'string', where);
      const update = cloneJson(object);
      kind.prepare?.(update, object, '');
      kind.validate?.(update, object, '');
      for (const column of kind.columns)
        assert.notEqual(
          column.value(object, Date.parse('2026-01-03T00:00:00Z')),
          undefined,
          `${column.name} of ${where}`,
        );
      for (const value of Object.values(kind.selectableFields)) assert.equal(typeof value(object), 'string', where);
    }
  }
});

test('an object that did not change has no problem that it did not have before', () => {
  for (const kind of kinds) {
    const object: any = { apiVersion: 'x', kind: kind.kind, metadata: { name: 'a', namespace: 'default', uid: 'u' } };
    validatorOf(kind.schema).take(object);
    kind.default?.(object);
    kind.prepare?.(object, undefined);
    const before = new Set(
      (kind.validate?.(object, undefined) ?? []).map((cause) => `${cause.field} ${cause.message}`),
    );
    const after = (kind.validate?.(cloneJson(object), object, '') ?? []).map(
      (cause) => `${cause.field} ${cause.message}`,
    );
    assert.deepEqual(
      after.filter((problem) => !before.has(problem)),
      [],
      kind.kind,
    );
  }
});
