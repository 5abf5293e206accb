import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convertKind, kindOfResource, storageVersionOf } from './index.ts';

test('an Event has two shapes and loses nothing between them', () => {
  const core = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'a', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    message: 'Started',
    reason: 'Started',
    source: { component: 'kubelet' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:10Z',
    count: 2,
    eventTime: null,
    reportingComponent: 'kubelet',
    reportingInstance: 'n',
    type: 'Normal',
  };
  const kind = kindOfResource('events.k8s.io', 'v1', 'events')!;
  const shown = convertKind(core, kind);
  assert.equal(shown.apiVersion, 'events.k8s.io/v1');
  assert.equal(shown.note, 'Started');
  assert.deepEqual(shown.regarding, core.involvedObject);
  assert.equal(shown.deprecatedCount, 2);
  assert.deepEqual(convertKind(shown, { group: '', version: 'v1' }), core);
  assert.deepEqual(storageVersionOf(kind), { group: '', version: 'v1' });
});

test('an autoscaler of v1 is one of v2 with a single metric', () => {
  const v1 = kindOfResource('autoscaling', 'v1', 'horizontalpodautoscalers')!;
  const v2 = kindOfResource('autoscaling', 'v2', 'horizontalpodautoscalers')!;
  const object: any = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'a' },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' } },
  };
  v1.default?.(object);
  const stored = convertKind(object, v2);
  assert.deepEqual(stored.spec.metrics, [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
  ]);
  stored.spec.metrics.push({
    type: 'Pods',
    pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '1k' } },
  });
  const shown = convertKind(stored, v1);
  assert.equal(shown.spec.targetCPUUtilizationPercentage, 80);
  assert.match(shown.metadata.annotations!['autoscaling.alpha.kubernetes.io/metrics']!, /qps/);
  assert.deepEqual(convertKind(shown, v2).spec, stored.spec);
});
