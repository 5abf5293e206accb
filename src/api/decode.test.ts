import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definitionOf, validatorOf } from './index.ts';

const deployment = validatorOf(definitionOf('apps', 'v1', 'Deployment')!);
const make = (): any => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', creationTimestamp: null, labels: { app: 'web' } },
  spec: {
    replicas: 3,
    template: {
      spec: { hostNetwork: false, containers: [{ name: 'a', image: 'b', env: [{ name: 'A', value: '' }] }] },
    },
  },
});

test('what Go would leave out is left out, and what it would show is shown', () => {
  const object = make();
  assert.equal(deployment.take(object), undefined);
  assert.deepEqual(object, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      replicas: 3,
      strategy: {},
      template: {
        metadata: {},
        spec: { containers: [{ name: 'a', image: 'b', env: [{ name: 'A' }], resources: {} }] },
      },
    },
    status: {},
  });
});

test('an unknown field is dropped, and named as strict decoding names it', () => {
  const object = make();
  object.spec.foo = 1;
  object.spec.template.spec.containers[0].imagee = 'c';
  const unknown: string[] = [];
  assert.equal(
    deployment.take(object, (path) => unknown.push(path)),
    undefined,
  );
  assert.deepEqual(unknown.toSorted(), ['spec.foo', 'spec.template.spec.containers[0].imagee']);
  assert.equal('foo' in object.spec, false);
});

test('a wrong type is refused in the words of Go', () => {
  const table: [string, (object: any) => void, string][] = [
    [
      'text for a number',
      (o) => (o.spec.replicas = '3'),
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'a number too large',
      (o) => (o.spec.replicas = 5e9),
      'json: cannot unmarshal number 5000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'a number for text',
      (o) => (o.spec.template.spec.containers[0].image = 4),
      'json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string',
    ],
    [
      'a number for a label',
      (o) => (o.metadata.labels.app = 1),
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      'an object for a list',
      (o) => (o.spec.template.spec.containers = {}),
      'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
    [
      'a list for an object',
      (o) => (o.spec = []),
      'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec',
    ],
    [
      'text for a truth value',
      (o) => (o.spec.paused = 'yes'),
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool',
    ],
    [
      'no quantity',
      (o) => (o.spec.template.spec.containers[0].resources = { limits: { cpu: 'lots' } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      'a truth value for a count',
      (o) => (o.spec.strategy = { rollingUpdate: { maxSurge: true } }),
      'json: cannot unmarshal bool into Go value of type int32',
    ],
  ];
  for (const [name, spoil, told] of table) {
    const object = make();
    spoil(object);
    assert.equal(deployment.take(object), told, name);
  }
  const secret = validatorOf(definitionOf('', 'v1', 'Secret')!);
  assert.equal(secret.take({ data: { a: 'a!' } }), 'illegal base64 data at input byte 1');
});

test('quantities and times come out in their canonical form', () => {
  const pod: any = {
    metadata: { deletionTimestamp: '2026-01-02T03:04:05.678+02:00' },
    spec: { containers: [{ name: 'a', resources: { requests: { cpu: 0.5, memory: '1024Mi' } } }] },
  };
  assert.equal(validatorOf(definitionOf('', 'v1', 'Pod')!).take(pod), undefined);
  assert.equal(pod.metadata.deletionTimestamp, '2026-01-02T01:04:05Z');
  assert.deepEqual(pod.spec.containers[0].resources.requests, { cpu: '500m', memory: '1Gi' });
  const lease: any = { spec: { renewTime: '2026-01-02T03:04:05.5Z' } };
  validatorOf(definitionOf('coordination.k8s.io', 'v1', 'Lease')!).take(lease);
  assert.equal(lease.spec.renewTime, '2026-01-02T03:04:05.500000Z');
});

test('null is absence, in lists the zero value', () => {
  const object = make();
  Object.assign(object.spec, { replicas: null, strategy: null });
  object.spec.template.spec.containers[0].args = ['a', null];
  assert.equal(deployment.take(object), undefined);
  assert.equal('replicas' in object.spec, false);
  assert.deepEqual(object.spec.strategy, {});
  assert.deepEqual(object.spec.template.spec.containers[0].args, ['a', '']);
});

test('names that objects have of themselves are no fields', () => {
  const object = JSON.parse('{"__proto__":{"a":1},"constructor":1,"metadata":{"labels":{"__proto__":"x"}}}');
  const unknown: string[] = [];
  assert.equal(
    deployment.take(object, (path) => unknown.push(path)),
    undefined,
  );
  assert.deepEqual(unknown.toSorted(), ['__proto__', 'constructor']);
});

test('a schema nested without end is refused, not followed', () => {
  const root: any = { spec: { versions: [{ schema: { openAPIV3Schema: {} } }] } };
  let schema = root.spec.versions[0].schema.openAPIV3Schema;
  for (let i = 0; i < 5000; i++) schema = schema.not = {};
  assert.equal(
    validatorOf(definitionOf('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')!).take(root),
    'exceeded max depth',
  );
});
