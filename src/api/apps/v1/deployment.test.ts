import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneJson } from '../../../machinery/index.ts';
import { kindOfResource, validatorOf } from '../../index.ts';

const kind = kindOfResource('apps', 'v1', 'deployments')!;

function made(change: (object: any) => void = () => {}): any {
  const object: any = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'nginx:1' }] } },
    },
  };
  change(object);
  assert.equal(validatorOf(kind.schema).take(object), undefined);
  kind.default?.(object);
  kind.prepare?.(object, undefined);
  return object;
}

const causesOf = (object: any, old?: any) =>
  (kind.validate?.(object, old) ?? []).map(({ field, message }) => `${field}: ${message}`);

test('a Deployment is defaulted as Kubernetes does', () => {
  assert.deepEqual(made().spec, {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          {
            name: 'a',
            image: 'nginx:1',
            imagePullPolicy: 'IfNotPresent',
            resources: {},
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
          },
        ],
        dnsPolicy: 'ClusterFirst',
        restartPolicy: 'Always',
        schedulerName: 'default-scheduler',
        securityContext: {},
        terminationGracePeriodSeconds: 30,
      },
    },
  });
  assert.deepEqual(causesOf(made()), []);
});

test('a bad Deployment has a cause with each field', () => {
  const table: [string, (object: any) => void, string[]][] = [
    ['no selector', (o) => delete o.spec.selector, ['spec.selector: Required value']],
    [
      'not its own Pods',
      (o) => (o.spec.selector.matchLabels.app = 'x'),
      ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    ],
    [
      'an empty selector',
      (o) => (o.spec.selector = {}),
      ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
    ],
    [
      'fewer than none',
      (o) => (o.spec.replicas = -1),
      ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      'an end',
      (o) => (o.spec.template.spec.restartPolicy = 'Never'),
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      'standing still',
      (o) => (o.spec.strategy = { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } }),
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      'no such way',
      (o) => (o.spec.strategy = { type: 'Wish' }),
      ['spec.strategy: Unsupported value: "Wish": supported values: "Recreate", "RollingUpdate"'],
    ],
  ];
  for (const [name, change, told] of table) assert.deepEqual(causesOf(made(change)), told, name);
});

test('the selector is for good', () => {
  const old = made();
  const next = cloneJson(old);
  next.spec.selector.matchLabels = { app: 'y' };
  next.spec.template.metadata.labels = { app: 'y' };
  assert.deepEqual(causesOf(next, old), [
    'spec.selector: Invalid value: {"matchLabels":{"app":"y"}}: field is immutable',
  ]);
});
