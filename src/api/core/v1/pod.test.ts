import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneJson } from '../../../machinery/index.ts';
import { kindOfResource, type Pod, validatorOf } from '../../index.ts';

const kind = kindOfResource('', 'v1', 'pods')!;
const now = Date.parse('2026-01-02T00:00:00Z');

function made(spec: object, metadata: object = {}): any {
  const object: any = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec,
  };
  assert.equal(validatorOf(kind.schema).take(object), undefined);
  kind.default?.(object);
  return object;
}

const causesOf = (object: Pod, old?: Pod, subresource?: string) =>
  (kind.validate?.(object, old, subresource) ?? []).map(({ field, message }) => `${field}: ${message}`.split('\n')[0]);

test('a Pod is defaulted as Kubernetes does', () => {
  const object = made({
    containers: [
      {
        name: 'a',
        image: 'nginx',
        ports: [{ containerPort: 80 }],
        livenessProbe: { httpGet: { port: 80 } },
        resources: { limits: { cpu: '0.5', memory: '64Mi' } },
        env: [{ name: 'N', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      },
    ],
    serviceAccountName: 'me',
    volumes: [
      { name: 'e' },
      { name: 's', secret: { secretName: 'x' } },
      { name: 'h', hostPath: { path: '/x' } },
      { name: 'p', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    ],
  });
  assert.deepEqual(object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      containers: [
        {
          name: 'a',
          image: 'nginx',
          imagePullPolicy: 'Always',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          livenessProbe: {
            httpGet: { port: 80, path: '/', scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          resources: { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '500m', memory: '64Mi' } },
          env: [{ name: 'N', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }],
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      volumes: [
        { name: 'e', emptyDir: {} },
        { name: 's', secret: { secretName: 'x', defaultMode: 420 } },
        { name: 'h', hostPath: { path: '/x', type: '' } },
        {
          name: 'p',
          projected: {
            defaultMode: 420,
            sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }],
          },
        },
      ],
      serviceAccountName: 'me',
      serviceAccount: 'me',
      dnsPolicy: 'ClusterFirst',
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
      enableServiceLinks: true,
    },
    status: {},
  });
});

test('the pull policy follows the tag', () => {
  const table: [string, string][] = [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['localhost:5000/nginx', 'Always'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    [`nginx@sha256:${'a'.repeat(64)}`, 'IfNotPresent'],
  ];
  for (const [image, policy] of table)
    assert.equal(made({ containers: [{ name: 'a', image }] }).spec.containers[0].imagePullPolicy, policy, image);
});

test('a new Pod is Pending, with the quality of service that its resources give it', () => {
  const qos = (...resources: object[]) => {
    const object = made({ containers: resources.map((one, i) => ({ name: `c${i}`, image: 'a', resources: one })) });
    kind.prepare?.(object, undefined);
    assert.equal(object.status.phase, 'Pending');
    return object.status.qosClass;
  };
  assert.equal(qos({}), 'BestEffort');
  assert.equal(qos({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' } }, {}), 'Burstable');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } }), 'Burstable');
});

const sysctl = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';

test('a good Pod has no causes, a bad one each with its field', () => {
  assert.deepEqual(causesOf(made({ containers: [{ name: 'a', image: 'b' }] })), []);
  const container = { name: 'a', image: 'b' };
  const table: [string, object, string[]][] = [
    ['no containers', { containers: [] }, ['spec.containers: Required value']],
    ['no image', { containers: [{ name: 'a' }] }, ['spec.containers[0].image: Required value']],
    ['a name twice', { containers: [container, container] }, ['spec.containers[1].name: Duplicate value: "a"']],
    [
      'an unknown volume',
      { containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
      ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
    ],
    [
      'a setting of the kernel that cannot be one',
      {
        containers: [container],
        hostNetwork: true,
        securityContext: {
          sysctls: ['a/b.c-d', 'foo-', 'bar..', 'net.ipv4.x'].map((name) => ({ name, value: '1' })),
        },
      },
      [
        ...['foo-', 'bar..'].map(
          (name, i) =>
            `spec.securityContext.sysctls[${i + 1}].name: Invalid value: "${name}": must have at most 253 characters and match regex ${sysctl}`,
        ),
        `spec.securityContext.sysctls[3].name: Invalid value: "net.ipv4.x": may not be specified when 'hostNetwork' is true`,
      ],
    ],
    [
      'more asked than allowed',
      { containers: [{ ...container, resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }] },
      ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ],
    [
      'a negative amount',
      { containers: [{ ...container, resources: { requests: { cpu: '-1' } } }] },
      ['spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ],
    [
      'a port out of range',
      { containers: [{ ...container, ports: [{ containerPort: 70_000 }] }] },
      ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
    ],
    [
      'no way to restart',
      { containers: [container], restartPolicy: 'Sometimes' },
      ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"'],
    ],
    [
      'two sources',
      { containers: [container], volumes: [{ name: 'v', emptyDir: {}, configMap: { name: 'c' } }] },
      ['spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type'],
    ],
    [
      'a probe of nothing',
      { containers: [{ ...container, livenessProbe: {} }] },
      ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
    ],
    [
      'liveness twice',
      { containers: [{ ...container, livenessProbe: { exec: { command: ['a'] }, successThreshold: 2 } }] },
      ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
    ],
    [
      'an empty toleration',
      { containers: [container], tolerations: [{ effect: 'NoSchedule' }] },
      [
        'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ],
    ],
  ];
  for (const [name, spec, told] of table) assert.deepEqual(causesOf(made(spec)), told, name);
});

test('of a Pod that exists little may change', () => {
  const old = made({ containers: [{ name: 'a', image: 'b' }], tolerations: [{ key: 'k', operator: 'Exists' }] });
  const changed = (change: (spec: any) => void, subresource = '') => {
    const next = cloneJson(old);
    change(next.spec);
    return causesOf(next, old, subresource).length === 0;
  };
  assert.ok(changed((spec) => (spec.containers[0].image = 'c')));
  assert.ok(changed((spec) => (spec.activeDeadlineSeconds = 5)));
  assert.ok(changed((spec) => spec.tolerations.push({ key: 'l', operator: 'Exists' })));
  assert.ok(!changed((spec) => (spec.tolerations = [])));
  assert.ok(!changed((spec) => (spec.containers[0].command = ['x'])));
  assert.ok(!changed((spec) => spec.containers.push({ ...spec.containers[0], name: 'z' })));
  assert.ok(!changed((spec) => (spec.nodeName = 'n')));
  assert.ok(changed((spec) => (spec.nodeName = 'n'), 'binding'));
  assert.ok(!changed((spec) => (spec.containers[0].resources = { requests: { cpu: '1' } })));
  assert.ok(changed((spec) => (spec.containers[0].resources = { requests: { cpu: '1' } }), 'resize'));
});

const cellsOf = (object: any) => kind.columns.slice(0, 5).map((column) => column.value(object, now));

test('kubectl get pods shows each state as it always has', () => {
  const running = { name: 'a', ready: true, restartCount: 0, state: { running: {} } };
  const table: [string, object, object, object, unknown[]][] = [
    ['pending', {}, { phase: 'Pending' }, {}, ['web', '0/1', 'Pending', '0', '24h']],
    [
      'creating',
      {},
      {
        phase: 'Pending',
        containerStatuses: [{ ...running, ready: false, state: { waiting: { reason: 'ContainerCreating' } } }],
      },
      {},
      ['web', '0/1', 'ContainerCreating', '0', '24h'],
    ],
    ['running', {}, { phase: 'Running', containerStatuses: [running] }, {}, ['web', '1/1', 'Running', '0', '24h']],
    [
      'crashing',
      {},
      {
        phase: 'Running',
        containerStatuses: [
          {
            ...running,
            ready: false,
            restartCount: 3,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T23:59:30Z' } },
          },
        ],
      },
      {},
      ['web', '0/1', 'CrashLoopBackOff', '3 (30s ago)', '24h'],
    ],
    [
      'completed',
      {},
      {
        phase: 'Succeeded',
        containerStatuses: [{ ...running, ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
      },
      {},
      ['web', '0/1', 'Completed', '0', '24h'],
    ],
    [
      'failed',
      {},
      { phase: 'Failed', containerStatuses: [{ ...running, ready: false, state: { terminated: { exitCode: 3 } } }] },
      {},
      ['web', '0/1', 'ExitCode:3', '0', '24h'],
    ],
    ['evicted', {}, { phase: 'Failed', reason: 'Evicted' }, {}, ['web', '0/1', 'Evicted', '0', '24h']],
    [
      'gated',
      {},
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
      {},
      ['web', '0/1', 'SchedulingGated', '0', '24h'],
    ],
    [
      'going',
      {},
      { phase: 'Running', containerStatuses: [running] },
      { deletionTimestamp: '2026-01-02T00:00:00Z' },
      ['web', '1/1', 'Terminating', '0', '24h'],
    ],
    [
      'lost',
      {},
      { phase: 'Running', reason: 'NodeLost', containerStatuses: [running] },
      { deletionTimestamp: '2026-01-02T00:00:00Z' },
      ['web', '1/1', 'Unknown', '0', '24h'],
    ],
    [
      'initialising',
      { initContainers: [{ name: 'i' }, { name: 'j' }] },
      {
        phase: 'Pending',
        initContainerStatuses: [
          { name: 'i', restartCount: 0, state: { terminated: { exitCode: 0 } } },
          { name: 'j', restartCount: 0, state: { running: {} } },
        ],
      },
      {},
      ['web', '0/1', 'Init:1/2', '0', '24h'],
    ],
    [
      'not initialising',
      { initContainers: [{ name: 'i' }] },
      {
        phase: 'Pending',
        initContainerStatuses: [{ name: 'i', restartCount: 2, state: { waiting: { reason: 'CrashLoopBackOff' } } }],
      },
      {},
      ['web', '0/1', 'Init:CrashLoopBackOff', '2', '24h'],
    ],
    [
      'with a sidecar',
      { initContainers: [{ name: 's', restartPolicy: 'Always' }] },
      {
        phase: 'Running',
        initContainerStatuses: [{ name: 's', restartCount: 1, started: true, ready: true, state: { running: {} } }],
        containerStatuses: [running],
      },
      {},
      ['web', '2/2', 'Running', '1', '24h'],
    ],
  ];
  for (const [name, spec, status, metadata, cells] of table) {
    const object = {
      metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
      spec: { containers: [{ name: 'a' }], ...spec },
      status,
    };
    assert.deepEqual(cellsOf(object), cells, name);
  }
});
