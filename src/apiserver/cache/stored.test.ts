import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AnyObject } from '../../machinery/index.ts';
import { storedBytes, write } from './stored.ts';

const pod = (): AnyObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'n', labels: { app: 'x' }, resourceVersion: '7' },
  spec: { containers: [{ name: 'c', image: 'i' }], volumes: [] },
  status: { phase: 'Pending' },
});

const read = (bytes: Buffer) => JSON.parse(bytes.toString());
const withoutRevision = ({ metadata: { resourceVersion: _revision, ...metadata }, ...rest }: AnyObject) => ({
  ...rest,
  metadata,
});

test('a bound pod is its old bytes, its node and its new status', () => {
  const before = pod();
  const bound: AnyObject = { ...before, spec: { ...before.spec, nodeName: 'node-1' }, status: { phase: 'Running' } };
  const { bytes } = write(bound, write(before));
  assert.equal(
    bytes.toString(),
    '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","labels":{"app":"x"}},' +
      '"spec":{"containers":[{"name":"c","image":"i"}],"volumes":[],"nodeName":"node-1"},"status":{"phase":"Running"}}',
  );
});

test('what is shared is copied, not written again', () => {
  const before = write(pod());
  before.bytes.write('X', before.bytes.indexOf('"image":"i"') + '"image":"'.length);
  const { object } = before;
  assert.equal(read(write({ ...object, status: {} }, before).bytes).spec.containers[0].image, 'X');
  assert.equal(
    read(write({ ...object, spec: structuredClone(object.spec) }, before).bytes).spec.containers[0].image,
    'i',
  );
});

/** A few values that are the same object wherever they occur, so that they are shared, and some that need two bytes a character. */
const values = [{}, { a: 1 }, [], [1, { b: 'ü' }], 'text', 'ärger', '"}', ',"spec":{', 3, true, null, undefined];
const fields = fc.dictionary(
  fc.constantFrom('a', 'b', 'ö', 'resourceVersion', 'spec', '7'),
  fc.constantFrom(...values),
);
const part = fc.oneof({ weight: 5, arbitrary: fields }, fc.constantFrom(...values, ['x'], ['x', 'y']));
const objects = fc.record(
  {
    kind: fc.constantFrom('A', 'B'),
    apiVersion: fc.constant('v1'),
    metadata: fields.map((some) => ({ name: 'n', ...some })),
    spec: part,
    status: part,
    data: fc.constantFrom(undefined, undefined, undefined, { x: 'y' }),
  },
  { requiredKeys: ['kind', 'apiVersion', 'metadata'] },
) as fc.Arbitrary<AnyObject>;

test('whatever changes, what is written over another is what would be written anew', () => {
  fc.assert(
    fc.property(
      objects,
      fc.array(fc.tuple(objects, fc.subarray(['metadata', 'spec', 'status', 'data']))),
      (first, rest) => {
        let last = write(first);
        for (const [other, kept] of rest) {
          const next: AnyObject = { ...other };
          // a field that is kept is the same, or has more
          for (const name of kept) {
            const was = last.object[name];
            const more = was !== null && typeof was === 'object' && !Array.isArray(was) && other[name]?.a !== undefined;
            next[name] = more ? { ...was, [`more${Object.keys(was).length}`]: other[name].a } : was;
          }
          last = write(next, last);
          assert.deepEqual(read(last.bytes), JSON.parse(JSON.stringify(withoutRevision(next))));
          assert.deepEqual(read(last.bytes), read(storedBytes(next)));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
