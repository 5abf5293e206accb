import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definitionOf } from '../api/index.ts';
import { applyPatch } from './apply.ts';
import { cloneJson } from './json.ts';
import { updateManagedFields } from './managedfields.ts';
import type { AnyObject } from './meta.ts';
import { applyStrategicPatch } from './strategicpatch.ts';

const time = '2026-01-01T00:00:00Z';
const deployments = definitionOf('apps', 'v1', 'Deployment')!;
const services = definitionOf('', 'v1', 'Service')!;
const pods = definitionOf('', 'v1', 'Pod')!;

const deployment = (): AnyObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    strategy: {},
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [{ name: 'web', image: 'nginx', resources: {}, ports: [{ containerPort: 80, protocol: 'TCP' }] }],
      },
    },
  },
  status: {},
});

test('a created Deployment has the owned fields that upstream shows', () => {
  const updated = deployment();
  updateManagedFields({
    live: undefined,
    updated,
    manager: 'kubectl-create',
    apiVersion: 'apps/v1',
    time,
    schema: deployments,
  });
  assert.deepEqual(updated.metadata.managedFields![0]!.fieldsV1, {
    'f:spec': {
      'f:replicas': {},
      'f:selector': {},
      'f:template': {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': {
          'f:containers': {
            'k:{"name":"web"}': {
              '.': {},
              'f:name': {},
              'f:image': {},
              'f:resources': {},
              'f:ports': {
                '.': {},
                'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
              },
            },
          },
        },
      },
    },
  });
});

test('a Service port without a protocol is the TCP one', () => {
  const service = (ports: object[]): AnyObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { ports },
  });
  const live = service([
    { port: 53, protocol: 'TCP' },
    { port: 53, protocol: 'UDP' },
  ]);
  live.metadata.uid = 'u';
  const after = applyPatch({
    live,
    applied: service([{ port: 53, name: 'dns' }]),
    manager: 'a',
    apiVersion: 'v1',
    time,
    schema: services,
  });
  assert.deepEqual(after['spec'].ports, [
    { port: 53, protocol: 'TCP', name: 'dns' },
    { port: 53, protocol: 'UDP' },
  ]);
});

test('a Pod keeps the conditions of several writers apart', () => {
  const pod = (conditions: object[]): AnyObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', uid: 'u' },
    spec: { containers: [] },
    status: { conditions },
  });
  const write = (live: AnyObject | undefined, manager: string, conditions: object[]) => {
    const updated = pod(cloneJson(conditions));
    updateManagedFields({ live, updated, manager, apiVersion: 'v1', time, subresource: 'status', schema: pods });
    return updated;
  };
  const scheduled = write(undefined, 'scheduler', [{ type: 'PodScheduled', status: 'True' }]);
  const ready = write(scheduled, 'kubelet', [
    { type: 'PodScheduled', status: 'True' },
    { type: 'Ready', status: 'False' },
  ]);
  const owned = Object.fromEntries(
    ready.metadata.managedFields!.map(({ manager, fieldsV1 }) => [
      manager,
      Object.keys(fieldsV1!['f:status']!['f:conditions']!),
    ]),
  );
  assert.deepEqual(owned, { scheduler: ['.', 'k:{"type":"PodScheduled"}'], kubelet: ['k:{"type":"Ready"}'] });
});

test('a strategic merge patch of a Deployment changes one container and keeps the other fields', () => {
  const before = deployment();
  const after: any = applyStrategicPatch(
    before,
    { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } },
    deployments,
  );
  assert.deepEqual(after.spec.template.spec.containers, [
    { ...before['spec'].template.spec.containers[0], image: 'nginx:2' },
  ]);
  assert.equal(after.spec.replicas, 2);
});
