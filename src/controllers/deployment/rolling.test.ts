import assert from 'node:assert/strict';
import test from 'node:test';
import type { Deployment, ReplicaSet } from '../../api/index.ts';
import { deployment } from '../testpods.ts';
import { countAnnotations } from './revision.ts';
import { boundsOf, isResize, newReplicas, oldReplicas, proportionally } from './rolling.ts';

const rolling = (replicas: number, maxSurge: number | string, maxUnavailable: number | string): Deployment =>
  deployment('web', { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } });

let born = 0;
function set(replicas: number, available = replicas, annotations: Record<string, string> = {}): ReplicaSet {
  const creationTimestamp = new Date(++born * 1000).toISOString();
  return {
    metadata: { name: `set-${born}`, uid: `${born}`, creationTimestamp, annotations },
    spec: { replicas },
    status: { replicas, availableReplicas: available },
  } as ReplicaSet;
}

test('bounds are numbers or percents, surges rounded up and gaps rounded down', () => {
  for (const [replicas, surge, unavailable, expected] of [
    [10, '25%', '25%', { surge: 3, unavailable: 2 }],
    [1, '25%', '25%', { surge: 1, unavailable: 0 }],
    [3, 2, 0, { surge: 2, unavailable: 0 }],
    [2, '0%', '10%', { surge: 0, unavailable: 1 }],
    [2, 0, 5, { surge: 0, unavailable: 2 }],
    [0, '25%', '25%', { surge: 0, unavailable: 0 }],
  ] as const)
    assert.deepEqual(boundsOf(rolling(replicas, surge, unavailable)), expected, `${replicas} ${surge} ${unavailable}`);
  assert.deepEqual(boundsOf(deployment('web', { strategy: { type: 'Recreate' } })), { surge: 0, unavailable: 0 });
});

test('the new set grows into the surge and no further', () => {
  for (const [old, current, expected, why] of [
    [10, 0, 3, 'a surge of three beside ten'],
    [10, 3, 3, 'no room is left'],
    [8, 3, 5, 'two old pods went'],
    [0, 9, 10, 'never more than wanted'],
    [0, 12, 10, 'too many become fewer'],
  ] as const) {
    const sets = [set(old), set(current)];
    assert.equal(newReplicas(rolling(10, 3, 2), sets, current), expected, why);
  }
});

test('the new set waits for an old one that has not seen yet that it is smaller', () => {
  const old = set(8);
  Object.assign(old.metadata, { uid: 'old', generation: 2 });
  const sizes = (observedGeneration: number) => {
    Object.assign(old.status!, { observedGeneration });
    return newReplicas(rolling(10, 3, 2), [old, set(3)], 3);
  };
  assert.deepEqual([sizes(1), sizes(2)], [3, 5]);
});

test('old sets shrink only as far as enough pods stay available', () => {
  const sizes = (olds: ReplicaSet[], current: ReplicaSet) => [
    ...oldReplicas(rolling(10, 3, 2), olds, current).values(),
  ];
  assert.deepEqual(sizes([set(10)], set(0)), [8], 'two may be missing at once');
  assert.deepEqual(sizes([set(8)], set(5, 0)), [8], 'new pods that are not there yet are waited for');
  assert.deepEqual(sizes([set(8)], set(5, 3)), [5], 'each new pod lets an old one go');
  assert.deepEqual(
    sizes([set(10, 0)], set(3, 0)),
    [8],
    'pods that never worked are missed by nobody, but the bounds hold',
  );
  assert.deepEqual(sizes([set(4, 0), set(6)], set(3, 3)), [0, 5], 'what does not work goes first');
  assert.deepEqual(sizes([set(0), set(1)], set(10)), [0, 0], 'in the end nothing old is left');
});

test('a Deployment resized in the middle of a release shares the difference out', () => {
  const before = rolling(10, 3, 2);
  const annotations = countAnnotations(before, 13);
  const sets = [set(8, 8, annotations), set(5, 0, annotations)];
  assert.equal(isResize(before, sets), false);
  assert.equal(isResize(rolling(20, 3, 2), sets), true);
  const up = [...proportionally(rolling(20, 3, 2), sets).values()];
  assert.deepEqual(up, [14, 9]);
  const down = [...proportionally(rolling(5, 3, 2), sets).values()];
  assert.equal(
    down.reduce((a, b) => a + b, 0),
    8,
  );
  assert.deepEqual([...proportionally(rolling(0, 3, 2), sets).values()], [0, 0]);
});

test('an old set that was told to shrink, and still counts the pods that go, is not shrunk on their account', () => {
  const told = set(8, 10);
  const current = set(2, 2);
  assert.deepEqual([...oldReplicas(rolling(10, 2, 0), [told], current).values()], [8]);
});
