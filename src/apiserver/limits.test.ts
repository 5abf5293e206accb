import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Ask, configMap, defaultAccount, type Door, openDoor } from './testkit/index.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
const patchOf = (type: string) => ({ 'content-type': `application/${type}` });
const many = (count: number, of: (n: number) => unknown) => Array.from({ length: count }, (_, n) => of(n));

/** A definition whose objects have a rule on every item of a list without an end. */
function definition(rule: string, maxItems?: number): object {
  const item = { type: 'object', properties: { a: { type: 'string' } }, 'x-kubernetes-validations': [{ rule }] };
  const list = { type: 'array', ...(maxItems && { maxItems }), items: item };
  const schema = {
    openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { list } } } },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'dears.limits.test' },
    spec: {
      group: 'limits.test',
      scope: 'Namespaced',
      names: { plural: 'dears', singular: 'dear', kind: 'Dear' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

const policy = (spec: object) => ({
  metadata: { name: 'p' },
  spec: {
    matchConstraints: {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    },
    validations: [{ expression: 'true' }],
    ...spec,
  },
});

type Case = [name: string, method: string, path: string, ask: Ask, status: number, reason: string, says: RegExp];

const cases: Case[] = [
  [
    'a body above 3 MiB',
    'POST',
    configMaps,
    { body: configMap('n', { x: 'y'.repeat(3_200_000) }) },
    413,
    'RequestEntityTooLarge',
    /limit is 3145728/,
  ],
  [
    'data above 1 MiB',
    'POST',
    configMaps,
    { body: configMap('n', { x: 'y'.repeat(1_100_000) }) },
    422,
    'Invalid',
    /\[\]: Too long: may not be more than 1048576 bytes/,
  ],
  [
    'annotations of more than 256 KiB',
    'POST',
    configMaps,
    { body: configMap('n', {}, { annotations: { a: 'x'.repeat(200_000), b: 'x'.repeat(70_000) } }) },
    422,
    'Invalid',
    /metadata\.annotations: Too long: may not be more than 262144 bytes/,
  ],
  [
    'an annotation key that is none',
    'POST',
    configMaps,
    { body: configMap('n', {}, { annotations: { 'a b': 'x' } }) },
    422,
    'Invalid',
    /metadata\.annotations: Invalid value: "a b"/,
  ],
  [
    'a label value of 64 characters',
    'POST',
    configMaps,
    { body: configMap('n', {}, { labels: { a: 'x'.repeat(64) } }) },
    422,
    'Invalid',
    /metadata\.labels: Invalid value: .*no more than 63/,
  ],
  [
    'a label key of 64 characters',
    'POST',
    configMaps,
    { body: configMap('n', {}, { labels: { ['x'.repeat(64)]: 'a' } }) },
    422,
    'Invalid',
    /metadata\.labels: Invalid value: .*no more than 63/,
  ],
  [
    'a label prefix of 254 characters',
    'POST',
    configMaps,
    { body: configMap('n', {}, { labels: { [`${'x'.repeat(254)}/a`]: 'a' } }) },
    422,
    'Invalid',
    /no more than 253/,
  ],
  [
    'a name in capitals',
    'POST',
    configMaps,
    { body: configMap('N') },
    422,
    'Invalid',
    /metadata\.name: Invalid value: "N".*RFC 1123 subdomain/,
  ],
  [
    'a namespace of 64 characters',
    'POST',
    '/api/v1/namespaces',
    { body: { metadata: { name: 'x'.repeat(64) } } },
    422,
    'Invalid',
    /no more than 63/,
  ],
  [
    'a service whose name begins with a digit in capitals',
    'POST',
    '/api/v1/namespaces/default/services',
    { body: { metadata: { name: 'A1' }, spec: { ports: [{ port: 1 }] } } },
    422,
    'Invalid',
    /metadata\.name: Invalid value: "A1"/,
  ],
  [
    'a name for a role with a slash',
    'POST',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    { body: { metadata: { name: 'a/b' } } },
    422,
    'Invalid',
    /metadata\.name: Invalid value: "a\/b".*may not contain '\/'/,
  ],
  [
    'a data key that is none',
    'POST',
    configMaps,
    { body: configMap('n', { 'a/b': 'x' }) },
    422,
    'Invalid',
    /data\[a\/b\]: Invalid value/,
  ],
  [
    'a finalizer that is not qualified',
    'POST',
    configMaps,
    { body: configMap('n', {}, { finalizers: ['a b'] }) },
    422,
    'Invalid',
    /metadata\.finalizers.*Invalid value: "a b"/,
  ],
  [
    'an owner without a uid',
    'POST',
    configMaps,
    { body: configMap('n', {}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: '' }] }) },
    422,
    'Invalid',
    /metadata\.ownerReferences.*uid/,
  ],
  [
    'JSON nested ten thousand deep',
    'POST',
    configMaps,
    { body: `{"x":${'['.repeat(10_001)}${']'.repeat(10_001)}}` },
    400,
    'BadRequest',
    /nested deeper|max depth/,
  ],
  [
    'more than ten thousand operations in a JSON patch',
    'PATCH',
    `${configMaps}/here`,
    {
      body: many(10_001, () => ({ op: 'test', path: '/kind', value: 'ConfigMap' })),
      headers: patchOf('json-patch+json'),
    },
    413,
    'RequestEntityTooLarge',
    /maximum operations in a JSON patch is 10000, got 10001/,
  ],
  [
    'copies in a JSON patch that multiply',
    'PATCH',
    `${configMaps}/big`,
    {
      body: many(40, (n) => ({ op: 'copy', from: '/data', path: `/data/x${n}` })),
      headers: patchOf('json-patch+json'),
    },
    422,
    'Invalid',
    /accumulated size increase of copy is \d+, exceeding the limit 3145728/,
  ],
  [
    'a field manager of 129 characters',
    'POST',
    `${configMaps}?fieldManager=${'m'.repeat(129)}`,
    { body: configMap('n') },
    422,
    'Invalid',
    /fieldManager: Too long: may not be more than 128 bytes/,
  ],
  [
    'a field manager that cannot be printed',
    'POST',
    `${configMaps}?fieldManager=%07`,
    { body: configMap('n') },
    422,
    'Invalid',
    /fieldManager: Invalid value: .*printable/,
  ],
  [
    'a rule that may cost too much',
    'POST',
    definitions,
    { body: definition("self.a.matches('(a+)+$')") },
    422,
    'Invalid',
    /estimated rule cost exceeds budget/,
  ],
  [
    'a rule that is no expression',
    'POST',
    definitions,
    { body: definition('((((', 1) },
    422,
    'Invalid',
    /compilation failed/,
  ],
  [
    'a policy of 65 conditions',
    'POST',
    policies,
    { body: policy({ matchConditions: many(65, (n) => ({ name: `c${n}`, expression: 'true' })) }) },
    422,
    'Invalid',
    /spec\.matchConditions: Too many: 65: must have at most 64 items/,
  ],
];

describe('limits refuse as those of Kubernetes do', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
    await door.ask('POST', configMaps, { body: configMap('here', { x: '1' }) });
    await door.ask('POST', configMaps, { body: configMap('big', { x: 'y'.repeat(500_000) }) });
  });
  after(() => door[Symbol.asyncDispose]());

  for (const [name, method, path, ask, status, reason, says] of cases)
    test(name, async () => {
      const { body, ...answered } = await door.ask(method, path, ask);
      assert.deepEqual([answered.status, body?.reason ?? ''], [status, reason], answered.text.slice(0, 500));
      assert.match(body.message, says);
    });

  test('what is just within them is taken', async () => {
    const labels = { ['x'.repeat(63)]: 'y'.repeat(63), [`${'x'.repeat(253)}/a`]: 'b' };
    const annotations = { a: 'x'.repeat(262_143) };
    const made = await door.ask('POST', configMaps, { body: configMap('x'.repeat(253), {}, { labels, annotations }) });
    assert.equal(made.status, 201, made.text.slice(0, 300));
    const operations = many(10_000, () => ({ op: 'test', path: '/kind', value: 'ConfigMap' }));
    const patched = await door.ask('PATCH', `${configMaps}/here`, {
      body: operations,
      headers: patchOf('json-patch+json'),
    });
    assert.equal(patched.status, 200);
    const rule = await door.ask('POST', definitions, { body: definition("self.a != 'x'", 10) });
    assert.equal(rule.status, 201, rule.text.slice(0, 300));
  });
});
