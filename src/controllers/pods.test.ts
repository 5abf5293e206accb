import assert from 'node:assert/strict';
import test from 'node:test';
import { type Pod, replicaSets } from '../api/index.ts';
import { availableIn, endBefore, podFor } from './pods.ts';

interface Shape {
  node?: string;
  phase?: string;
  readyAt?: string;
  cost?: string;
  restarts?: number;
  born?: string;
}

const pod = ({
  node = 'n',
  phase = 'Running',
  readyAt,
  cost,
  restarts = 0,
  born = '2026-01-01T00:00:00Z',
}: Shape): Pod =>
  ({
    metadata: {
      name: 'p',
      creationTimestamp: born,
      ...(cost && { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
    },
    spec: { nodeName: node, containers: [] },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: readyAt ? 'True' : 'False', lastTransitionTime: readyAt }],
      containerStatuses: [{ restartCount: restarts }],
    },
  }) as unknown as Pod;

test('pods of the least use end first', () => {
  const ready = '2026-01-01T01:00:00Z';
  const later = '2026-01-01T02:00:00Z';
  for (const [what, first, second] of [
    ['without a node', { node: '' }, {}],
    ['pending', { phase: 'Pending' }, { phase: 'Unknown' }],
    ['unknown', { phase: 'Unknown' }, {}],
    ['not ready', {}, { readyAt: ready }],
    ['cheaper to end', { readyAt: ready, cost: '-5' }, { readyAt: ready }],
    ['on a crowded node', { readyAt: ready, node: 'crowded' }, { readyAt: ready }],
    ['ready for a shorter time', { readyAt: later }, { readyAt: ready }],
    ['restarted more often', { readyAt: ready, restarts: 3 }, { readyAt: ready }],
    ['younger', { readyAt: ready, born: later }, { readyAt: ready }],
  ] as [string, Shape, Shape][]) {
    const crowd = (one: Pod) => (one.spec.nodeName === 'crowded' ? 2 : 1);
    assert.ok(endBefore(pod(first), pod(second), crowd) < 0, what);
    assert.ok(endBefore(pod(second), pod(first), crowd) > 0, `not the other way: ${what}`);
  }
});

test('a pod is available once it has been ready long enough', () => {
  const at = Date.parse('2026-01-01T00:00:10Z');
  const ready = pod({ readyAt: '2026-01-01T00:00:00Z' });
  assert.equal(availableIn(ready, 0, at), 0);
  assert.equal(availableIn(ready, 10, at), 0);
  assert.equal(availableIn(ready, 30, at), 20_000);
  assert.equal(availableIn(pod({}), 0, at), Number.POSITIVE_INFINITY);
});

test('a pod has what its template has, and its owner', () => {
  const owner = { metadata: { name: 'set', namespace: 'default', uid: 'u' } };
  const template = {
    metadata: { labels: { app: 'web' }, annotations: { a: 'b' } },
    spec: { containers: [{ name: 'c' }] },
  };
  const made = podFor(template, replicaSets, owner);
  assert.deepEqual(made.metadata, {
    generateName: 'set-',
    namespace: 'default',
    labels: { app: 'web' },
    annotations: { a: 'b' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'set', uid: 'u', controller: true, blockOwnerDeletion: true },
    ],
  });
  assert.notEqual(made.spec, template.spec, 'the template itself is nobody else’s');
});
