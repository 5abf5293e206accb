import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseExposition, valueOf } from '../../../machinery/testkit/exposition.ts';
import { type Answered, configMap, type Door, openDoor } from '../../testkit/index.ts';
import { startResponder } from '../testkit/index.ts';

const group = '/apis/admissionregistration.k8s.io/v1';
const policies = `${group}/validatingadmissionpolicies`;
const bindings = `${group}/validatingadmissionpolicybindings`;
const configMaps = '/api/v1/namespaces/default/configmaps';
const ofConfigMaps = {
  resourceRules: [
    { operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] },
  ],
};

const policy = (name: string, spec: object) => ({
  metadata: { name },
  spec: { matchConstraints: ofConfigMaps, ...spec },
});
const binding = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { policyName: name, validationActions: ['Deny'], ...spec },
});

describe('validating admission policies', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
  });
  after(() => door[Symbol.asyncDispose]());

  /** Both made, `act` done, both gone again. */
  async function under<T>(spec: object, bound: object, act: () => Promise<T>): Promise<T> {
    const made = await door.ask('POST', policies, { body: policy('p', spec) });
    assert.equal(made.status, 201, made.text);
    const also = await door.ask('POST', bindings, { body: binding('p', bound) });
    assert.equal(also.status, 201, also.text);
    try {
      return await act();
    } finally {
      await door.ask('DELETE', `${bindings}/p`);
      await door.ask('DELETE', `${policies}/p`);
    }
  }
  let count = 0;
  const create = (data: Record<string, string>, metadata: object = {}): Promise<Answered> =>
    door.ask('POST', configMaps, { body: configMap(`m${count++}`, data, metadata) });

  test('what breaks a rule is refused with its message and reason', () =>
    under(
      {
        validations: [
          { expression: 'object.data.a == "1"', message: 'a must be 1' },
          { expression: '!has(object.data.b)', messageExpression: '"b is " + object.data.b', reason: 'Forbidden' },
        ],
      },
      {},
      async () => {
        assert.equal((await create({ a: '1' })).status, 201);
        const refused = await create({ a: '2' });
        assert.equal(refused.status, 422);
        assert.match(
          refused.body.message,
          /^configmaps "m\d+" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: a must be 1$/,
        );
        const other = await create({ a: '1', b: 'here' });
        assert.deepEqual([other.status, other.body.reason], [403, 'Forbidden']);
        assert.match(other.body.message, /denied request: b is here$/);
      },
    ));

  test('an expression that fails denies, unless failures are ignored', async () => {
    const spec = { validations: [{ expression: 'object.data.missing == "x"' }] };
    await under(spec, {}, async () => {
      const { body } = await create({ a: '1' });
      assert.match(body.message, /expression 'object.data.missing == "x"' resulted in error: no such key: missing/);
    });
    await under({ ...spec, failurePolicy: 'Ignore' }, {}, async () => {
      assert.equal((await create({ a: '1' })).status, 201);
    });
    const told = parseExposition((await door.ask('GET', '/metrics')).text);
    const checks = (error_type: string, enforcement_action: string) =>
      valueOf(told, 'apiserver_validating_admission_policy_check_total', {
        policy: 'p',
        policy_binding: 'p',
        error_type,
        enforcement_action,
      });
    assert.deepEqual([checks('invalid_error', 'deny'), checks('invalid_error', 'allow')], [1, 1]);
  });

  test('variables build on one another, the namespace and the request are known', () =>
    under(
      {
        variables: [
          { name: 'team', expression: 'has(object.metadata.labels) ? object.metadata.labels.team : "none"' },
          { name: 'ok', expression: 'variables.team in ["a", "b"]' },
        ],
        validations: [
          {
            expression:
              'variables.ok && request.operation == "CREATE" && request.userInfo.username == "kubernetes-admin" && namespaceObject.metadata.name == "default"',
            messageExpression: '"not for team " + variables.team',
          },
        ],
      },
      {},
      async () => {
        assert.equal((await create({}, { labels: { team: 'a' } })).status, 201);
        assert.match((await create({})).body.message, /not for team none$/);
      },
    ));

  test('match conditions and parameters choose', async () => {
    const spec = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConditions: [{ name: 'not-the-limits', expression: 'object.metadata.name != "limits"' }],
      validations: [{ expression: 'size(object.data) <= int(params.data.most)' }],
    };
    const paramRef = { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' };
    await under(spec, { paramRef }, async () =>
      assert.match((await create({})).body.message, /no params found for policy binding/),
    );
    await door.ask('POST', configMaps, { body: configMap('limits', { most: '1', extra: '2' }) });
    await under(spec, { paramRef }, async () => {
      assert.equal((await create({ a: '1' })).status, 201);
      assert.match((await create({ a: '1', b: '2' })).body.message, /failed expression: size\(object.data\)/);
    });
  });

  test('a rule may ask what the user may do', () =>
    under(
      {
        validations: [
          {
            expression:
              'authorizer.requestResource.check("delete").allowed() && !authorizer.serviceAccount("default", "nobody").group("").resource("secrets").check("get").allowed()',
          },
        ],
      },
      {},
      async () => assert.equal((await create({})).status, 201),
    ));

  test('a binding may only warn', () =>
    under(
      { validations: [{ expression: 'false', message: 'never' }] },
      { validationActions: ['Warn', 'Audit'] },
      async () => {
        const made = await create({});
        assert.equal(made.status, 201);
        assert.match(
          String(made.headers.warning),
          /Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': never/,
        );
      },
    ));

  test('an expression that cannot be read is refused with the place where', async () => {
    for (const [spec, field, words] of [
      [{ validations: [{ expression: 'object.' }] }, 'spec.validations[0].expression', /compilation failed: ERROR/],
      [{ validations: [{ expression: '1' }] }, 'spec.validations[0].expression', /must evaluate to bool but got int/],
      [
        { validations: [{ expression: 'request.nope == ""' }] },
        'spec.validations[0].expression',
        /undefined field 'nope'/,
      ],
      [
        { validations: [{ expression: 'params != null' }] },
        'spec.validations[0].expression',
        /undeclared reference to 'params'/,
      ],
      [
        { validations: [{ expression: 'true' }], variables: [{ name: 'v', expression: '!' }] },
        'spec.variables[0].expression',
        /Syntax error/,
      ],
    ] as [object, string, RegExp][]) {
      const { status, body } = await door.ask('POST', policies, { body: policy('bad', spec) });
      assert.equal(status, 422, JSON.stringify(spec));
      assert.equal(body.details.causes[0].field, field);
      assert.match(body.message, words);
    }
  });

  test('what cannot be right for the kinds it is about is told in its status', async () => {
    const matchConstraints = {
      resourceRules: [{ operations: ['*'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }],
    };
    const checked = async (name: string, validation: object) => {
      await door.ask('POST', policies, { body: policy(name, { matchConstraints, validations: [validation] }) });
      return door.cluster.eventually(async () => {
        const { body } = await door.ask('GET', `${policies}/${name}`);
        return body.status.observedGeneration === 1 ? body.status.typeChecking : undefined;
      });
    };
    assert.deepEqual(await checked('right', { expression: 'object.spec.replicas > 1' }), {});
    const { expressionWarnings } = await checked('confused', {
      expression: "object.spec.replicas > '1'",
      messageExpression: "'got ' + object.spec.replicas",
    });
    assert.deepEqual(
      expressionWarnings.map((one: { fieldRef: string }) => one.fieldRef),
      ['spec.validations[0].expression', 'spec.validations[0].messageExpression'],
    );
    assert.match(
      expressionWarnings[0].warning,
      /^apps\/v1, Kind=Deployment: .*found no matching overload for '_>_' applied to '\(int, string\)'/s,
    );
    assert.match(expressionWarnings[1].warning, /found no matching overload for '_\+_' applied to '\(string, int\)'/);
  });

  test('a webhook is asked only when its conditions hold, and not configured with broken ones', async () => {
    await using responder = await startResponder();
    const configurations = `${group}/validatingwebhookconfigurations`;
    const hook = (expression: string) => ({
      metadata: { name: 'w' },
      webhooks: [
        {
          name: 'w.example.com',
          clientConfig: { url: responder.url, caBundle: responder.caBundle },
          rules: ofConfigMaps.resourceRules,
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          matchConditions: [{ name: 'c', expression }],
        },
      ],
    });
    const broken = await door.ask('POST', configurations, { body: hook('object.x ==') });
    assert.deepEqual(
      [broken.status, broken.body.details.causes[0].field],
      [422, 'webhooks[0].matchConditions[0].expression'],
    );
    await door.ask('POST', configurations, { body: hook('has(object.data) && "ask" in object.data') });
    await create({ ask: 'yes' });
    await create({});
    assert.equal(responder.asked.length, 1);
    await door.ask('DELETE', `${configurations}/w`);
  });
});
