import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneJson } from '../../../machinery/index.ts';
import { kindOfResource, validatorOf } from '../../index.ts';

const kind = kindOfResource('', 'v1', 'services')!;

function made(spec: object, old?: any): any {
  const object: any = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: cloneJson(spec),
  };
  assert.equal(validatorOf(kind.schema).take(object), undefined);
  kind.default?.(object);
  kind.prepare?.(object, old);
  return object;
}

const causesOf = (object: any, old?: any) =>
  (kind.validate?.(object, old) ?? []).map(({ field, message }) => `${field}: ${message}`);

test('a Service is defaulted as Kubernetes does', () => {
  const object = made({ ports: [{ port: 80 }], selector: { app: 'web' } });
  assert.deepEqual(object.spec, {
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    selector: { app: 'web' },
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
  });
  assert.deepEqual(object.status, { loadBalancer: {} });
  assert.deepEqual(causesOf(object), []);
  assert.equal(made({ type: 'NodePort', ports: [{ port: 80 }] }).spec.externalTrafficPolicy, 'Cluster');
  assert.equal(made({ type: 'LoadBalancer', ports: [{ port: 80 }] }).spec.allocateLoadBalancerNodePorts, true);
  assert.deepEqual(made({ clusterIP: 'None', selector: { a: 'b' } }).spec.clusterIPs, ['None']);
});

test('what was allocated is kept by a writer that does not know it, and goes with the type', () => {
  const old = made({ type: 'NodePort', clusterIP: '10.0.0.5', ports: [{ name: 'a', port: 80, nodePort: 30_080 }] });
  const kept = made({ type: 'NodePort', ports: [{ name: 'b', port: 80 }] }, old);
  assert.equal(kept.spec.clusterIP, '10.0.0.5');
  assert.deepEqual(kept.spec.clusterIPs, ['10.0.0.5']);
  assert.equal(kept.spec.ports[0].nodePort, 30_080);
  const plain = made({ ...old.spec, type: 'ClusterIP' }, old);
  assert.equal(plain.spec.ports[0].nodePort, undefined);
  assert.equal(plain.spec.externalTrafficPolicy, undefined);
  assert.deepEqual(causesOf(plain, old), []);
  const external = made({ ...old.spec, type: 'ExternalName', externalName: 'a.example' }, old);
  assert.equal(external.spec.clusterIP, undefined);
  assert.deepEqual(causesOf(made({ ...old.spec, clusterIP: '10.0.0.6' }, old), old), [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.6"]: may not change once set',
  ]);
});

test('a bad Service has a cause with each field', () => {
  const table: [string, object, string[]][] = [
    ['no ports', {}, ['spec.ports: Required value']],
    ['unnamed ports', { ports: [{ port: 1, name: 'a' }, { port: 2 }] }, ['spec.ports[1].name: Required value']],
    [
      'a port out of range',
      { ports: [{ port: 0 }] },
      [
        'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      'no address',
      { clusterIP: 'ten', ports: [{ port: 1 }] },
      ['spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ],
    [
      'no type',
      { type: 'Magic', ports: [{ port: 1 }] },
      [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    [
      'a node port of a plain one',
      { ports: [{ port: 1, nodePort: 30_000 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    ['no name outside', { type: 'ExternalName' }, ['spec.externalName: Required value']],
  ];
  for (const [name, spec, told] of table) assert.deepEqual(causesOf(made(spec)), told, name);
});

test('kubectl get services shows addresses and ports', () => {
  const cells = (object: object) =>
    kind.columns.slice(1, 5).map((column) => column.value({ metadata: {}, ...object }, 0));
  assert.deepEqual(
    cells({
      spec: {
        type: 'NodePort',
        clusterIP: '10.0.0.1',
        clusterIPs: ['10.0.0.1'],
        ports: [{ port: 80, nodePort: 30_080, protocol: 'TCP' }],
      },
    }),
    ['NodePort', '10.0.0.1', '<none>', '80:30080/TCP'],
  );
  assert.deepEqual(cells({ spec: { type: 'LoadBalancer' } }), ['LoadBalancer', '<none>', '<pending>', '<none>']);
  assert.deepEqual(cells({ spec: { type: 'ExternalName', externalName: 'a.b' } }), [
    'ExternalName',
    '<none>',
    'a.b',
    '<none>',
  ]);
});
