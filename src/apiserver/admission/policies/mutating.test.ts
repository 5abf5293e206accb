import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { configMap, defaultAccount, type Door, openDoor, pod } from '../../testkit/index.ts';

const group = '/apis/admissionregistration.k8s.io/v1';
const policies = `${group}/mutatingadmissionpolicies`;
const bindings = `${group}/mutatingadmissionpolicybindings`;
const rules = (resource: string) => ({
  resourceRules: [{ operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: [resource] }],
});
const apply = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const jsonPatch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

describe('mutating admission policies', () => {
  let door: Door;
  let count = 0;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
  });
  after(() => door[Symbol.asyncDispose]());

  const put = async (resource: string, spec: object): Promise<() => Promise<void>> => {
    const name = `p${count++}`;
    const made = await door.ask('POST', policies, {
      body: { metadata: { name }, spec: { matchConstraints: rules(resource), reinvocationPolicy: 'Never', ...spec } },
    });
    assert.equal(made.status, 201, made.text);
    const bound = await door.ask('POST', bindings, { body: { metadata: { name }, spec: { policyName: name } } });
    assert.equal(bound.status, 201, bound.text);
    return async () => {
      await door.ask('DELETE', `${bindings}/${name}`);
      await door.ask('DELETE', `${policies}/${name}`);
    };
  };

  test('fields are merged as apply merges them', async () => {
    const gone = await put('pods', {
      mutations: [
        apply(
          'Object{metadata: Object.metadata{labels: {"team": "a"}}, spec: Object.spec{initContainers: [Object.spec.initContainers{name: "mesh", image: "mesh:1", restartPolicy: "Always"}]}}',
        ),
      ],
    });
    const { body, status } = await door.ask('POST', '/api/v1/namespaces/default/pods', {
      body: pod('p', { initContainers: [{ name: 'first', image: 'i' }] }, { labels: { own: 'yes' } }),
    });
    assert.equal(status, 201);
    assert.deepEqual(body.metadata.labels, { own: 'yes', team: 'a' });
    assert.deepEqual(
      body.spec.initContainers.map((one: { name: string }) => one.name),
      ['first', 'mesh'],
    );
    assert.equal(body.spec.initContainers[1].terminationMessagePath, '/dev/termination-log');
    await gone();
  });

  test('operations, variables and conditions', async () => {
    const gone = await put('configmaps', {
      matchConditions: [{ name: 'asks', expression: '"ask" in object.data' }],
      variables: [{ name: 'who', expression: 'request.userInfo.username' }],
      mutations: [
        jsonPatch('[JSONPatch{op: "add", path: "/data/by", value: variables.who}]'),
        jsonPatch(
          '[JSONPatch{op: "test", path: "/data/ask", value: "no"}, JSONPatch{op: "add", path: "/data/never", value: "x"}]',
        ),
        jsonPatch('[JSONPatch{op: "add", path: "/metadata/labels", value: {"n": string(size(object.data))}}]'),
      ],
    });
    const create = (name: string, data: Record<string, string>) =>
      door.ask('POST', '/api/v1/namespaces/default/configmaps', { body: configMap(name, data) });
    const { body } = await create('a', { ask: 'yes' });
    assert.deepEqual(body.data, { ask: 'yes', by: 'kubernetes-admin' });
    assert.deepEqual(body.metadata.labels, { n: '2' });
    assert.deepEqual((await create('b', { x: '1' })).body.data, { x: '1' });
    await gone();
  });

  test('what does not fit is refused with why', async () => {
    for (const [expression, words] of [
      ['Object{spec: Object.wrong{replicas: 1}}', /unexpected type name "Object.wrong", expected "Object.spec"/],
      ['Object{data: {"a": object.data.missing}}', /no such key: missing/],
    ] as const) {
      const gone = await put('configmaps', { mutations: [apply(expression)] });
      const { status, body } = await door.ask('POST', '/api/v1/namespaces/default/configmaps', {
        body: configMap('c', { a: '1' }),
      });
      assert.equal(status, 403);
      assert.match(body.message, words);
      await gone();
    }
    const atomic = await put('pods', {
      mutations: [apply('Object{spec: Object.spec{tolerations: [Object.spec.tolerations{key: "a"}]}}')],
    });
    const refused = await door.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('q') });
    assert.match(refused.body.message, /may not mutate atomic arrays, maps or structs: .spec.tolerations/);
    await atomic();
    const broken = await door.ask('POST', policies, {
      body: {
        metadata: { name: 'bad' },
        spec: {
          matchConstraints: rules('pods'),
          reinvocationPolicy: 'Never',
          mutations: [apply('"text"'), jsonPatch('[1]')],
        },
      },
    });
    assert.equal(broken.status, 422);
    assert.match(broken.body.message, /must evaluate to Object but got string/);
    assert.match(broken.body.message, /must evaluate to list\(JSONPatch\) but got list\(int\)/);
  });

  test('one that asks for it sees what came after it', async () => {
    const first = await put('configmaps', {
      reinvocationPolicy: 'IfNeeded',
      mutations: [apply('has(object.data.late) ? Object{data: {"saw": "it"}} : Object{}')],
    });
    const second = await put('configmaps', { mutations: [apply('Object{data: {"late": "1"}}')] });
    const { body } = await door.ask('POST', '/api/v1/namespaces/default/configmaps', {
      body: configMap('again', { own: '0' }),
    });
    assert.deepEqual(body.data, { own: '0', late: '1', saw: 'it' });
    await first();
    await second();
  });
});
