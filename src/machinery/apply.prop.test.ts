import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyPatch } from './apply.ts';
import { containsFields, emptyFields, unionFields } from './fieldset.ts';
import { fieldsOf, withNamedFields } from './fieldsof.ts';
import { cloneJson, equalJson, freezeJson } from './json.ts';
import { updateManagedFields } from './managedfields.ts';
import { mergePlanOf } from './mergeplan.ts';
import type { AnyObject, ManagedFieldsEntry } from './meta.ts';
import { isStatusError } from './status.ts';
import { widget } from './testschema.ts';

const value = fc.constantFrom('1', '2');
const optional = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });
const map = (prefix: string) =>
  fc.dictionary(fc.constantFrom(`${prefix}x`, `${prefix}y`), value, { noNullPrototype: true });
const list = (prefix: string) =>
  fc.uniqueArray(
    fc.record(
      { name: fc.constantFrom(`${prefix}c`, `${prefix}d`), image: value, args: fc.array(value, { maxLength: 2 }) },
      { requiredKeys: ['name'] },
    ),
    { selector: ({ name }) => name, minLength: 1 },
  );
const spec = (prefix: string) =>
  optional({
    ...(prefix === '' && { replicas: fc.nat(2), selector: map(''), commands: fc.array(value, { maxLength: 2 }) }),
    config: map(prefix),
    // an empty list that merges is owned by nobody, so it comes and goes
    tags: fc.uniqueArray(fc.constantFrom(`${prefix}s`, `${prefix}t`, `${prefix}u`), { minLength: 1 }),
    containers: list(prefix),
    nested: optional({ ...(prefix === '' && { a: value, deep: optional({ c: value, d: value }) }) }),
  });

const apiVersion = 'example.com/v1';
const object = (of: unknown): AnyObject =>
  freezeJson({
    apiVersion,
    kind: 'Widget',
    metadata: { name: 'w' },
    ...(of !== undefined && { spec: cloneJson(of) }),
  } as any);
const time = '2026-01-01T00:00:00Z';
const apply = (live: AnyObject | undefined, manager: string, of: unknown, force = false): AnyObject => {
  const result = applyPatch({ live, applied: object(of), manager, force, apiVersion, time, schema: widget });
  return freezeJson(cloneJson({ ...result, metadata: { ...result.metadata, uid: 'u' } }));
};
const update = (live: AnyObject | undefined, manager: string, of: unknown): AnyObject => {
  const updated = cloneJson(object(of));
  updated.metadata.uid = 'u';
  updateManagedFields({ live, updated, manager, apiVersion, time, schema: widget });
  return freezeJson(cloneJson(updated));
};
const entry = (of: AnyObject, manager: string) =>
  of.metadata.managedFields?.find((one: ManagedFieldsEntry) => one.manager === manager);

test('applying twice is applying once', () => {
  fc.assert(
    fc.property(spec(''), spec(''), spec(''), (first, other, wanted) => {
      const live = apply(update(apply(undefined, 'a', first), 'u', other), 'a', wanted, true);
      assert.deepEqual(apply(live, 'a', wanted, false), live);
    }),
  );
});

test('what was applied by force is there, and owned', () => {
  const plan = mergePlanOf(widget);
  fc.assert(
    fc.property(spec(''), spec(''), (other, wanted) => {
      const live = apply(update(undefined, 'u', other), 'a', wanted, true);
      assert.ok(containsFields(withNamedFields(plan, fieldsOf(plan, live)), fieldsOf(plan, object(wanted))));
      assert.ok(equalJson(apply(undefined, 'z', live['spec'])['spec'], live['spec']));
      const owned = entry(live, 'a')?.fieldsV1 ?? emptyFields;
      assert.ok(
        containsFields(
          unionFields(owned, { 'f:apiVersion': {}, 'f:kind': {}, 'f:metadata': { 'f:name': {} } }),
          fieldsOf(plan, object(wanted)),
        ),
      );
    }),
  );
});

test('appliers of different fields never conflict, and the order does not matter to who owns what', () => {
  fc.assert(
    fc.property(spec('a-'), spec('b-'), (one, two) => {
      const ab = apply(apply(undefined, 'a', one), 'b', two);
      const ba = apply(apply(undefined, 'b', two), 'a', one);
      assert.deepEqual(entry(ab, 'a'), entry(ba, 'a'));
      assert.deepEqual(entry(ab, 'b'), entry(ba, 'b'));
    }),
  );
});

test('an applier that takes back all it said leaves the object as the others made it', () => {
  fc.assert(
    fc.property(spec('a-'), spec('b-'), (one, two) => {
      const alone = apply(undefined, 'b', two);
      const after = apply(apply(alone, 'a', one), 'a', undefined);
      assert.deepEqual(after.metadata.managedFields, alone.metadata.managedFields);
      const plan = mergePlanOf(widget);
      assert.deepEqual(
        fieldsOf(plan, { spec: compact(after['spec']) }),
        fieldsOf(plan, { spec: compact(alone['spec']) }),
      );
    }),
  );
});

/** Emptied objects and lists may stay behind. */
function compact(of: any): any {
  if (Array.isArray(of)) return of.length === 0 ? undefined : of;
  if (typeof of !== 'object' || of === null) return of;
  const kept = Object.entries(of)
    .map(([name, inner]) => [name, compact(inner)])
    .filter(([, inner]) => inner !== undefined);
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

test('only a field that somebody else owns and that would change is a conflict', () => {
  fc.assert(
    fc.property(spec(''), spec(''), (other, wanted) => {
      const live = update(undefined, 'u', other);
      try {
        apply(live, 'a', wanted);
      } catch (error) {
        assert.ok(isStatusError(error, 'Conflict'));
        assert.notDeepEqual(apply(live, 'a', wanted, true)['spec'], live['spec']);
        return;
      }
      // without a conflict force makes no difference
      assert.deepEqual(apply(live, 'a', wanted, true), apply(live, 'a', wanted, false));
    }),
  );
});
