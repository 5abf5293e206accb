import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type ConfigMap,
  configMaps,
  deployments,
  endpointSlices,
  horizontalPodAutoscalers,
  type MutatingWebhookConfiguration,
  mutatingWebhookConfigurations,
  namespaces,
  pods,
  serviceAccounts,
  services,
  type ValidatingWebhookConfiguration,
  validatingWebhookConfigurations,
} from '../../../api/index.ts';
import { systemClock } from '../../../machinery/index.ts';
import { type Cluster, startCluster } from '../../../testing/index.ts';
import { patching, type Responder, startResponder } from '../testkit/index.ts';

type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];

const start = () => startCluster({ controllers: false, scheduler: false, clock: systemClock });
const at = (name: string) => ({ name, namespace: 'default' });
const map = (name: string, data: Record<string, string> = {}, labels?: Record<string, string>): ConfigMap => ({
  metadata: { ...at(name), ...(labels && { labels }) },
  data,
});
const rule = (...resources: string[]) => ({
  operations: ['*' as const],
  apiGroups: ['*'],
  apiVersions: ['*'],
  resources,
});

function hook(responder: Responder, more: Partial<Webhook> = {}): Webhook {
  return {
    name: 'hook.example.com',
    clientConfig: { url: responder.url, caBundle: responder.caBundle },
    rules: [rule('configmaps')],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 5,
    ...more,
  } as Webhook;
}

const mutating = ({ client }: Cluster, name: string, ...webhooks: Webhook[]) =>
  client.create<MutatingWebhookConfiguration>(mutatingWebhookConfigurations, { metadata: { name }, webhooks });
const validating = ({ client }: Cluster, name: string, ...webhooks: object[]) =>
  client.create<ValidatingWebhookConfiguration>(validatingWebhookConfigurations, {
    metadata: { name },
    webhooks: webhooks as ValidatingWebhookConfiguration['webhooks'],
  });

test('a webhook is told of the request and its refusal reaches the client as it was meant', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  await validating(cluster, 'v', hook(responder));
  const bob = { name: 'bob', groups: ['system:masters'] };
  await cluster.clientFor(bob).create(configMaps, map('a', { x: '1' }), { fieldManager: 'me' });
  const [first] = responder.asked;
  assert.deepEqual(
    [first!.operation, first!.name, first!.namespace, first!.object.data, first!.oldObject, first!.dryRun],
    ['CREATE', 'a', 'default', { x: '1' }, null, false],
  );
  assert.equal(first!.userInfo.username, 'bob');
  assert.deepEqual(first!.requestResource, { group: '', version: 'v1', resource: 'configmaps' });
  assert.deepEqual(first!.options, { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' });
  responder.answer(() => ({ allowed: false, status: { code: 418, message: 'not today', reason: 'Teapot' } }));
  await assert.rejects(cluster.client.delete(configMaps, at('a')), {
    code: 418,
    reason: 'Teapot',
    message: 'admission webhook "hook.example.com" denied the request: not today',
  });
  assert.equal(responder.asked.at(-1)!.operation, 'DELETE');
  assert.equal(responder.asked.at(-1)!.oldObject.data.x, '1');
  responder.answer(() => ({ allowed: false }));
  await assert.rejects(cluster.client.create(configMaps, map('b')), {
    code: 400,
    message: 'admission webhook "hook.example.com" denied the request without explanation',
  });
});

test('patches apply in the order of names; a reinvoked one sees what came after it', async () => {
  await using cluster = await start();
  await using first = await startResponder();
  await using second = await startResponder();
  first.answer(({ object }) =>
    object.data?.b
      ? patching({ op: 'add', path: '/data/saw', value: object.data.b })
      : patching({ op: 'add', path: '/data/a', value: '1' }),
  );
  second.answer(() => patching({ op: 'add', path: '/data/b', value: '2' }));
  await mutating(cluster, 'b', hook(second));
  await mutating(cluster, 'a', hook(first, { reinvocationPolicy: 'IfNeeded' }));
  const made = await cluster.client.create(configMaps, map('x', { own: '0' }));
  assert.deepEqual(made.data, { own: '0', a: '1', b: '2', saw: '2' });
  assert.deepEqual([first.asked.length, second.asked.length], [2, 1]);
  assert.equal(second.asked[0]!.object.data.a, '1');
});

test('what is patched is checked and defaulted like everything', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  await cluster.client.create(serviceAccounts, { metadata: at('default') });
  await mutating(cluster, 'm', hook(responder, { rules: [rule('pods')] }));
  const pod = { metadata: at('p'), spec: { containers: [{ name: 'c', image: 'i' }] } };
  responder.answer(() => patching({ op: 'add', path: '/spec/initContainers', value: [{ name: 'init', image: 'i' }] }));
  const made = await cluster.client.create(pods, pod);
  assert.equal(made.spec!.initContainers![0]!.terminationMessagePolicy, 'File');
  responder.answer(() => patching({ op: 'add', path: '/spec/containers/0/name', value: 'Not A Name' }));
  await assert.rejects(cluster.client.create(pods, { ...pod, metadata: at('q') }), { reason: 'Invalid' });
});

test('who does not answer refuses, or is passed over, as its policy says', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  responder.answer(() => new Promise<never>(() => {}));
  await validating(cluster, 'v', hook(responder, { timeoutSeconds: 1 }));
  await assert.rejects(cluster.client.create(configMaps, map('a')), {
    code: 500,
    message:
      /failed calling webhook "hook.example.com": failed to call webhook: Post "https:\/\/127.0.0.1:\d+\/\?timeout=1s": context deadline exceeded/,
  });
  await cluster.client.patch(
    validatingWebhookConfigurations,
    { name: 'v' },
    {
      type: 'json',
      operations: [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }],
    },
  );
  await cluster.client.create(configMaps, map('a'));
});

test('an answer to another question, or none, is no answer', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  await validating(cluster, 'v', hook(responder));
  responder.answer(() => ({ uid: 'other', allowed: true }));
  await assert.rejects(cluster.client.create(configMaps, map('a')), { code: 500, message: /expected response.uid=/ });
  responder.answer(() => patching({ op: 'add', path: '/data', value: {} }));
  await assert.rejects(cluster.client.create(configMaps, map('a')), {
    message: /validating webhook may not return response.patch/,
  });
});

test('only what its rules and selectors name is asked about', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  const { client } = cluster;
  await client.create(namespaces, { metadata: { name: 'other', labels: { skip: 'yes' } }, spec: {} });
  const expression = (key: string) => ({ matchExpressions: [{ key, operator: 'DoesNotExist' as const }] });
  await validating(
    cluster,
    'v',
    hook(responder, { objectSelector: expression('skip'), namespaceSelector: expression('skip') }),
  );
  await client.create(configMaps, map('a'));
  await client.create(configMaps, map('b', {}, { skip: 'yes' }));
  await client.create(configMaps, { metadata: { name: 'c', namespace: 'other' } });
  await client.create(serviceAccounts, { metadata: at('d') });
  assert.deepEqual(
    responder.asked.map(({ name }) => name),
    ['a'],
  );
});

test('a rule for another version of a resource asks in that version', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  const rules = [{ operations: ['*' as const], apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['*'] }];
  await validating(cluster, 'v', hook(responder, { rules }));
  await cluster.client.create(horizontalPodAutoscalers, {
    metadata: at('h'),
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
      maxReplicas: 2,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
  });
  const [asked] = responder.asked;
  assert.deepEqual([asked!.resource.version, asked!.requestResource.version], ['v1', 'v2']);
  assert.equal(asked!.object.apiVersion, 'autoscaling/v1');
  assert.equal(asked!.object.spec.targetCPUUtilizationPercentage, 50);
});

test('a dry run asks only those that do nothing else', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  await validating(cluster, 'v', hook(responder));
  await cluster.client.create(configMaps, map('a'), { dryRun: true });
  assert.equal(responder.asked[0]!.dryRun, true);
});

test('a Service of the cluster is asked at its endpoints, under its own name, on one connection', async () => {
  await using cluster = await start();
  await using responder = await startResponder(['hook.default.svc']);
  const { client } = cluster;
  await client.create(services, { metadata: at('hook'), spec: { ports: [{ port: 443, targetPort: 8443 }] } });
  const clientConfig = {
    service: { name: 'hook', namespace: 'default', path: '/check' },
    caBundle: responder.caBundle,
  };
  await validating(cluster, 'v', hook(responder, { clientConfig }));
  await assert.rejects(client.create(configMaps, map('a')), { message: /no endpoints available for service "hook"/ });
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...at('hook-1'), uid: 'u', labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: '', port: responder.port, protocol: 'TCP' }],
  };
  // nobody may write an endpoint on loopback, and a test has no other place
  await cluster.store.txn({
    compare: [],
    writes: [
      { key: '/registry/discovery.k8s.io/endpointslices/default/hook-1', value: Buffer.from(JSON.stringify(slice)) },
    ],
  });
  assert.equal((await client.list(endpointSlices, { namespace: 'default' })).items.length, 1);
  for (const name of ['a', 'b', 'c']) await client.create(configMaps, map(name));
  assert.deepEqual([responder.asked.length, responder.connections], [3, 1]);
});

test('webhooks are not asked about webhooks, and conversations and bindings are asked about as what they are', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  const { client } = cluster;
  await client.create(serviceAccounts, { metadata: at('default') });
  responder.answer(() => ({ allowed: false }));
  await validating(cluster, 'v', hook(responder, { rules: [rule('*')] }));
  await client.delete(validatingWebhookConfigurations, { name: 'v' });
  assert.equal(responder.asked.length, 0);
  responder.answer(() => ({ allowed: true }));
  await validating(cluster, 'w', hook(responder, { rules: [rule('*/*')] }));
  await client.create(pods, { metadata: at('p'), spec: { containers: [{ name: 'c', image: 'i' }] } });
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: at('p'), target: { kind: 'Node', name: 'n' } };
  await client.create(pods, binding as never, { subresource: 'binding' });
  await client.create(pods, { metadata: at('p') } as never, { subresource: 'eviction' });
  assert.deepEqual(
    responder.asked.map(({ operation, subResource, kind, object }) => [
      operation,
      subResource,
      kind.kind,
      object?.kind,
    ]),
    [
      ['CREATE', undefined, 'Pod', 'Pod'],
      ['CREATE', 'binding', 'Binding', 'Binding'],
      ['CREATE', 'eviction', 'Eviction', 'Eviction'],
      ['DELETE', undefined, 'Pod', undefined],
    ],
  );
});

test('a scale is asked about as a Scale, and a status stays what it was', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  const { client } = cluster;
  const labels = { a: 'b' };
  const made = await client.create(deployments, {
    metadata: at('d'),
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  await mutating(cluster, 'm', hook(responder, { rules: [rule('deployments', 'deployments/scale')] }));
  responder.answer(({ object }) =>
    object.kind === 'Scale'
      ? patching({ op: 'replace', path: '/spec/replicas', value: 4 })
      : patching({ op: 'add', path: '/status', value: { replicas: 99 } }),
  );
  const body = { spec: { replicas: 9 } };
  await client.patch(deployments, at('d'), { type: 'merge', body }, { subresource: 'scale' });
  const [asked] = responder.asked;
  assert.deepEqual(
    [asked!.kind, asked!.object.spec.replicas, asked!.oldObject.spec.replicas],
    [{ group: 'autoscaling', version: 'v1', kind: 'Scale' }, 9, 1],
  );
  const scaled = await client.get(deployments, at('d'));
  assert.deepEqual([scaled.spec!.replicas, scaled.metadata.generation], [4, 2]);
  const changed = await client.update(deployments, { ...scaled, metadata: { ...scaled.metadata, labels } });
  assert.equal(changed.status?.replicas, made.status?.replicas);
});

test('a change by a webhook counts as one', async () => {
  await using cluster = await start();
  await using responder = await startResponder();
  await mutating(cluster, 'm', hook(responder, { rules: [rule('deployments')] }));
  const labels = { a: 'b' };
  const made = await cluster.client.create(deployments, {
    metadata: at('d'),
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  responder.answer(() => patching({ op: 'replace', path: '/spec/replicas', value: 7 }));
  const changed = await cluster.client.update(deployments, { ...made, metadata: { ...made.metadata, labels } });
  assert.deepEqual([changed.spec!.replicas, changed.metadata.generation], [7, 2]);
});
