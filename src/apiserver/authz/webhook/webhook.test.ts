/** Authorizers in a chain, one of them a real HTTPS server that is asked with SubjectAccessReviews. */
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { MetricSet, seededRandom } from '../../../machinery/index.ts';
import { parseExposition, valueOf } from '../../../machinery/testkit/exposition.ts';
import { VirtualClock } from '../../../testing/index.ts';
import { type ConfiguredAuthorizer } from '../../index.ts';
import { createAuthority, issue } from '../../pki/index.ts';
import { configMap, openDoor } from '../../testkit/index.ts';
import type { Attributes } from '../attributes.ts';
import { authorizationConfigurationOf, type WebhookConfiguration } from '../configuration.ts';
import { AuthorizationWebhook } from './index.ts';

const authority = createAuthority('authority', Date.now());

interface Asked {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: any;
}

/** `answer` gives a status; a number is answered as a failure with that code. */
async function serve(t: TestContext, answer: (asked: Asked) => object | number) {
  const valid = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3600_000 };
  const made = issue(authority, { commonName: 'webhook', hosts: ['localhost'], uses: ['server'], ...valid });
  const asked: Asked[] = [];
  const server = createServer({ cert: made.certificate, key: made.key }, async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const review = JSON.parse(text);
    asked.push(review);
    const status = answer(review);
    if (typeof status === 'number') return void response.writeHead(status).end();
    response.end(JSON.stringify({ ...review, status }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://localhost:${(server.address() as AddressInfo).port}/authorize`;
  return { url, asked };
}

const standard = {
  authorizedTtl: 300_000,
  unauthorizedTtl: 30_000,
  timeout: 3_000,
  version: 'v1',
  failurePolicy: 'NoOpinion',
  matchConditions: [],
} as const;

async function webhook(
  t: TestContext,
  answer: (asked: Asked) => object | number,
  more: Partial<WebhookConfiguration> = {},
) {
  const { url, asked } = await serve(t, answer);
  const clock = new VirtualClock();
  const metrics = new MetricSet();
  const remote = { url, ca: authority.certificate };
  const configuration = { ...standard, ...more };
  const authorizer = new AuthorizationWebhook(
    { name: 'outside', configuration, remote, clock, random: seededRandom(1), metrics },
    'matchConditions',
  );
  t.after(() => authorizer.close());
  const told = (name: string, labels = {}) =>
    valueOf(parseExposition(metrics.text()), `apiserver_authorization_${name}`, labels);
  return { authorizer, asked, clock, told };
}

const attributes: Attributes = {
  user: { name: 'jane', groups: ['dev'], extra: { team: ['a'] } },
  verb: 'list',
  isResource: true,
  group: 'apps',
  version: 'v1',
  resource: 'deployments',
  subresource: '',
  namespace: 'shop',
  name: '',
  path: '',
  fieldSelector: 'metadata.name=web',
  labelSelector: 'tier in (front,back),!old',
};

test('a question says all that is known of the request, in the version that is wanted', async (t) => {
  const v1 = await webhook(t, () => ({ allowed: true, reason: 'a friend' }));
  assert.deepEqual(await v1.authorizer.authorize(attributes), { verdict: 'allow', reason: 'a friend' });
  const [first] = v1.asked;
  assert.equal(first!.apiVersion, 'authorization.k8s.io/v1');
  const requirements = [
    { key: 'old', operator: 'DoesNotExist' },
    { key: 'tier', operator: 'In', values: ['back', 'front'] },
  ];
  assert.deepEqual(first!.spec, {
    resourceAttributes: {
      namespace: 'shop',
      verb: 'list',
      group: 'apps',
      version: 'v1',
      resource: 'deployments',
      fieldSelector: { requirements: [{ key: 'metadata.name', operator: 'In', values: ['web'] }] },
      labelSelector: { requirements },
    },
    user: 'jane',
    groups: ['dev'],
    extra: { team: ['a'] },
  });
  const beta = await webhook(t, () => ({ allowed: false }), { version: 'v1beta1' });
  assert.deepEqual(await beta.authorizer.authorize({ ...attributes, isResource: false, path: '/x' }), {
    verdict: 'none',
    reason: '',
  });
  const [second] = beta.asked;
  assert.deepEqual(
    [second!.apiVersion, second!.spec.group, second!.spec.groups, second!.spec.nonResourceAttributes],
    ['authorization.k8s.io/v1beta1', ['dev'], undefined, { path: '/x', verb: 'list' }],
  );
});

test('answers are remembered for as long as their kind is, and then at once', async (t) => {
  const { authorizer, asked, clock } = await webhook(t, ({ spec }) => ({ allowed: spec.user === 'jane' }));
  const joe = { ...attributes, user: { name: 'joe', groups: [] } };
  for (const one of [attributes, joe]) assert.ok(authorizer.authorize(one) instanceof Promise);
  for (const one of [attributes, joe]) await authorizer.authorize(one);
  const before = asked.length;
  assert.ok(!(authorizer.authorize(attributes) instanceof Promise), 'what is remembered is not waited for');
  await clock.advance(31_000);
  await authorizer.authorize(attributes);
  assert.equal(asked.length, before);
  await authorizer.authorize(joe);
  assert.equal(asked.length, before + 1);
  const forgetful = await webhook(t, () => ({ allowed: true }), { authorizedTtl: 0 });
  for (let i = 0; i < 2; i++) await forgetful.authorizer.authorize(attributes);
  assert.equal(forgetful.asked.length, 2);
});

test('without an answer the failure policy decides; what may pass is tried again', async (t) => {
  const open = await webhook(t, () => 503);
  const opinion = await open.authorizer.authorize(attributes);
  assert.deepEqual([opinion.verdict, open.asked.length], ['none', 1]);
  assert.match(opinion.error!, /answered with status 503/);
  assert.equal(open.told('webhook_evaluations_fail_open_total', { name: 'outside', result: 'error' }), 1);
  const closed = await webhook(t, () => ({ nothing: true }), { failurePolicy: 'Deny' });
  assert.equal((await closed.authorizer.authorize(attributes)).verdict, 'deny');
  let failures = 2;
  const late = await webhook(t, () => (failures-- > 0 ? 500 : { allowed: true }));
  const deciding = Promise.resolve(late.authorizer.authorize(attributes));
  let decided: unknown;
  void deciding.then((one) => (decided = one));
  while (decided === undefined) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (late.clock.next() !== undefined) await late.clock.advance(100);
  }
  assert.deepEqual(decided, { verdict: 'allow', reason: '' });
  assert.equal(late.told('webhook_evaluations_total', { name: 'outside', result: 'success' }), 1);
  assert.equal(late.told('webhook_evaluations_total', { name: 'outside', result: 'error' }), 2);
});

test('match conditions keep back what is not for the webhook; one that fails counts as no answer', async (t) => {
  const only = await webhook(t, () => ({ allowed: true }), {
    matchConditions: [
      'has(request.resourceAttributes)',
      "request.resourceAttributes.namespace == 'shop' && 'dev' in request.groups",
    ],
  });
  assert.equal((await only.authorizer.authorize({ ...attributes, namespace: 'other' })).verdict, 'none');
  assert.equal((await only.authorizer.authorize({ ...attributes, isResource: false })).verdict, 'none');
  assert.equal(only.asked.length, 0);
  assert.equal(only.told('match_condition_exclusions_total', { type: 'Webhook', name: 'outside' }), 2);
  assert.equal((await only.authorizer.authorize(attributes)).verdict, 'allow');
  const failing = await webhook(t, () => ({ allowed: true }), {
    failurePolicy: 'Deny',
    matchConditions: ["request.extra['none'][0] == 'x'"],
  });
  const { verdict, error } = await failing.authorizer.authorize(attributes);
  assert.deepEqual([verdict, failing.asked.length], ['deny', 0]);
  assert.match(error!, /resulted in error: no such key: none/);
  await assert.rejects(
    webhook(t, () => 500, { matchConditions: ['request.user'] }),
    {
      message: 'matchConditions[0].expression: request.user: must evaluate to bool but got string',
    },
  );
});

test('a request is decided by the first that allows or denies, reviews and impersonation too', async (t) => {
  const { authorizer, asked } = await webhook(t, ({ spec }) => {
    const { user, resourceAttributes: resource } = spec;
    if (user === 'mallory') return { allowed: false, denied: true, reason: 'not mallory' };
    if (resource?.verb === 'impersonate') return { allowed: user === 'jane' && resource.name !== 'root' };
    return { allowed: user === 'jane' && resource?.resource === 'configmaps' };
  });
  const list: readonly ConfiguredAuthorizer[] = [
    { type: 'Webhook', name: 'outside', authorizer },
    { type: 'Node', name: 'node' },
    { type: 'RBAC', name: 'rbac' },
  ];
  await using door = await openDoor({ apiserver: { authorizers: () => list } });
  const path = '/api/v1/namespaces/default/configmaps';
  const as = (user: string) => ({ headers: { 'impersonate-user': user } });
  assert.equal((await door.ask('POST', path, { ...as('jane'), body: configMap('a') })).status, 201);
  const secrets = await door.ask('GET', '/api/v1/namespaces/default/secrets', as('jane'));
  assert.equal(secrets.status, 403);
  const denied = await door.ask('GET', '/version', as('mallory'));
  assert.equal(denied.status, 403, 'what everybody may is denied before RBAC is asked');
  assert.match(denied.body.message, /cannot get path "\/version": not mallory$/);

  const reviews = '/apis/authorization.k8s.io/v1';
  const review = async (user: string, resource: string) => {
    const spec = { user, resourceAttributes: { verb: 'get', resource, namespace: 'default' } };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    return (await door.ask('POST', `${reviews}/subjectaccessreviews`, { body })).body.status;
  };
  assert.deepEqual(await review('jane', 'configmaps'), { allowed: true });
  assert.deepEqual(await review('jane', 'secrets'), { allowed: false });
  assert.deepEqual(await review('mallory', 'secrets'), { allowed: false, denied: true, reason: 'not mallory' });
  const rules = await door.ask('POST', `${reviews}/selfsubjectrulesreviews`, {
    ...as('joe'),
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace: 'default' },
    },
  });
  assert.deepEqual(
    [rules.body.status.incomplete, rules.body.status.evaluationError],
    [true, 'webhook authorizer does not support user rule resolution'],
  );

  const jane = door.cluster.clientFor({ name: 'jane' });
  const configMaps = { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap', namespaced: true };
  assert.equal((await jane.get(configMaps as never, { namespace: 'default', name: 'a' })).metadata.name, 'a');
  assert.ok(asked.some(({ spec }) => spec.resourceAttributes?.verb === 'get' && spec.user === 'jane'));
  const told = parseExposition((await door.ask('GET', '/metrics')).text);
  const decisions = { type: 'Webhook', name: 'outside', decision: 'denied' };
  assert.ok(valueOf(told, 'apiserver_authorization_decisions_total', decisions)! >= 1);
});

test('expressions of policies ask all of the chain, and are begun again once it has answered', async (t) => {
  const { authorizer, asked } = await webhook(t, ({ spec }) => ({
    allowed: spec.resourceAttributes?.verb === 'special' && spec.resourceAttributes.name === 'good',
  }));
  const list: readonly ConfiguredAuthorizer[] = [
    { type: 'RBAC', name: 'rbac' },
    { type: 'Webhook', name: 'outside', authorizer },
  ];
  await using door = await openDoor({ apiserver: { authorizers: () => list } });
  const rights = '/apis/rbac.authorization.k8s.io/v1';
  const rules = [{ verbs: ['create'], apiGroups: [''], resources: ['configmaps'] }];
  await door.ask('POST', `${rights}/clusterroles`, { body: { metadata: { name: 'writer' }, rules } });
  const body = {
    metadata: { name: 'writer' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'writer' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
  };
  await door.ask('POST', `${rights}/clusterrolebindings`, { body });
  const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
  const may = (name: string) =>
    `authorizer.group('').resource('configmaps').namespace('default').name(${name}).check('special').allowed()`;
  const spec = {
    matchConstraints: { resourceRules: [rule] },
    matchConditions: [{ name: 'not-all', expression: `!${may("'never'")}` }],
    variables: [{ name: 'may', expression: may('object.metadata.name') }],
    validations: [{ expression: 'variables.may', message: 'not special' }],
  };
  const made = await door.ask('POST', policies, { body: { metadata: { name: 'p' }, spec } });
  assert.equal(made.status, 201, made.text);
  const bound = { policyName: 'p', validationActions: ['Deny', 'Warn'] };
  await door.ask('POST', `${policies.replace('policies', 'policybindings')}`, {
    body: { metadata: { name: 'p' }, spec: bound },
  });
  const create = (name: string) =>
    door.ask('POST', '/api/v1/namespaces/default/configmaps', {
      body: configMap(name),
      headers: { 'impersonate-user': 'jane' },
    });
  assert.equal((await create('good')).status, 201);
  const refused = await create('bad');
  assert.equal(refused.status, 422, refused.text);
  assert.match(refused.body.message, /denied request: not special$/);
  assert.equal(String(refused.headers.warning).match(/not special/g)?.length, 1, 'told once');
  assert.ok(asked.filter(({ spec: one }) => one.resourceAttributes?.verb === 'special').length >= 3);
});

test('no answer and nobody else who allows is a failure of the server, not a refusal', async (t) => {
  const { authorizer } = await webhook(t, () => 503);
  const list: readonly ConfiguredAuthorizer[] = [
    { type: 'Webhook', name: 'outside', authorizer },
    { type: 'RBAC', name: 'rbac' },
  ];
  await using door = await openDoor({ apiserver: { authorizers: () => list } });
  const as = { headers: { 'impersonate-user': 'jane' } };
  assert.equal((await door.ask('GET', '/version', as)).status, 200, 'RBAC allows it');
  const answer = await door.ask('GET', '/api/v1/secrets', as);
  assert.equal(answer.status, 500);
  assert.match(answer.body.message, /could not be found out: .*answered with status 503/);
});

test('a configuration that cannot be is refused with the field, the value and the way out', () => {
  const webhookOf = (more: object) => ({
    type: 'Webhook',
    name: 'outside',
    webhook: {
      timeout: '3s',
      subjectAccessReviewVersion: 'v1',
      failurePolicy: 'Deny',
      connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/a' },
      ...more,
    },
  });
  const read = (...authorizers: unknown[]) =>
    authorizationConfigurationOf({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthorizationConfiguration',
      authorizers,
    });
  const [made] = read(webhookOf({ unauthorizedTTL: '1m30s', cacheAuthorizedRequests: false }));
  assert.deepEqual([made!.webhook!.authorizedTtl, made!.webhook!.unauthorizedTtl], [0, 90_000]);
  const wrong: [unknown[], RegExp][] = [
    [[], /^authorizers: at least one is required/],
    [[{ type: 'ABAC', name: 'abac' }], /^authorizers\[0\]\.type: "ABAC": supported values: .*RBAC/],
    [[{ type: 'RBAC', name: 'mine' }], /^authorizers\[0\]\.name: "mine": expected "rbac"/],
    [
      [
        { type: 'RBAC', name: 'rbac' },
        { type: 'RBAC', name: 'rbac' },
      ],
      /^authorizers\[1\]\.type: RBAC is there twice/,
    ],
    [[{ type: 'RBAC', name: 'rbac', extra: 1 }], /^authorizers\[0\]\.extra: unknown field/],
    [[webhookOf({ timeout: '31s' })], /^authorizers\[0\]\.webhook\.timeout: 31s: at most 30s/],
    [[webhookOf({ authorizedTTL: 'soon' })], /webhook\.authorizedTTL: "soon": a duration/],
    [[webhookOf({ failurePolicy: 'Ignore' })], /webhook\.failurePolicy: "Ignore": supported values: NoOpinion, Deny/],
    [
      [webhookOf({ matchConditions: [{ expression: 'true' }] })],
      /matchConditionSubjectAccessReviewVersion: it is required/,
    ],
    [[webhookOf({ connectionInfo: { type: 'InClusterConfig' } })], /connectionInfo\.type: InClusterConfig/],
    [[webhookOf({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'a' } })], /an absolute path/],
  ];
  for (const [authorizers, message] of wrong) assert.throws(() => read(...authorizers), { name: 'TypeError', message });
});
