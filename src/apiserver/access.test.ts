import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { configMap, defaultAccount, type Door, openDoor, pod } from './testkit/index.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const as = (token: string) => ({ as: 'nobody' as const, headers: { authorization: `Bearer ${token}` } });

describe('who may what', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
  });
  after(() => door[Symbol.asyncDispose]());

  test('nobody may see health, version and discovery of nothing else', async () => {
    for (const path of ['/healthz', '/livez', '/readyz', '/version'])
      assert.equal((await door.ask('GET', path, { as: 'nobody' })).status, 200, path);
    const refused = await door.ask('GET', configMaps, { as: 'nobody' });
    assert.equal(refused.status, 403);
    assert.equal(
      refused.body.message,
      'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"',
    );
    assert.equal((await door.ask('GET', '/metrics', { as: 'nobody' })).status, 403);
  });

  test('a token that is wrong is refused, not taken for nobody', async () => {
    assert.equal((await door.ask('GET', '/version', as('abc'))).status, 401);
    const { body } = await door.ask('GET', '/version', as('a.b.c'));
    assert.deepEqual([body.reason, body.message], ['Unauthorized', 'Unauthorized']);
  });

  test('a token bound to a pod is good for as long as the pod is there', async () => {
    const made = (await door.ask('POST', pods, { body: pod('bearer') })).body;
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'bearer', uid: made.metadata.uid };
    const request = { spec: { audiences: [], expirationSeconds: 3600, boundObjectRef } };
    const { status, body } = await door.ask('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', {
      body: request,
    });
    assert.equal(status, 201);
    const { token } = body.status;
    const self = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const who = await door.ask('POST', self, { ...as(token), body: {} });
    assert.equal(who.body.status.userInfo.username, 'system:serviceaccount:default:default');
    assert.deepEqual(who.body.status.userInfo.extra['authentication.kubernetes.io/pod-name'], ['bearer']);
    const review = await door.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { body: { spec: { token } } });
    assert.equal(review.body.status.authenticated, true);
    await door.ask('DELETE', `${pods}/bearer`);
    assert.equal((await door.ask('POST', self, { ...as(token), body: {} })).status, 401);
  });

  test('a token bound to a pod tells the node that it runs on', async () => {
    await door.ask('POST', '/api/v1/nodes', { body: { metadata: { name: 'there' } } });
    await door.ask('POST', pods, { body: pod('placed', { nodeName: 'there' }) });
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'placed' };
    const { body } = await door.ask('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', {
      body: { spec: { audiences: [], boundObjectRef } },
    });
    const self = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const who = await door.ask('POST', self, { ...as(body.status.token), body: {} });
    assert.deepEqual(who.body.status.userInfo.extra['authentication.kubernetes.io/node-name'], ['there']);
  });

  test('only those who may impersonate do', async () => {
    const joe = { headers: { 'impersonate-user': 'joe', 'impersonate-group': 'dev' } };
    const { body } = await door.ask('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { ...joe, body: {} });
    assert.deepEqual(
      [body.status.userInfo.username, body.status.userInfo.groups],
      ['joe', ['dev', 'system:authenticated']],
    );
    assert.equal((await door.ask('GET', configMaps, joe)).status, 403);
    const twice = await door.ask('GET', configMaps, {
      as: 'nobody',
      headers: { 'impersonate-user': 'kubernetes-admin' },
    });
    assert.equal(twice.status, 403);
    assert.match(twice.body.message, /cannot impersonate resource "users"/);
    assert.equal((await door.ask('GET', configMaps, { headers: { 'impersonate-group': 'x' } })).status, 400);
  });

  test('a role binding opens what it names, at once, and no more', async () => {
    const joe = { headers: { 'impersonate-user': 'joe' } };
    const binding = (name: string, role: string) => ({
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'joe' }],
      },
    });
    const path = `${rbac}/namespaces/default/rolebindings`;
    assert.equal((await door.ask('POST', path, binding('joe', 'edit'))).status, 201);
    assert.equal((await door.ask('POST', configMaps, { ...joe, body: configMap('of-joe') })).status, 201);
    assert.equal((await door.ask('GET', '/api/v1/namespaces/kube-system/configmaps', joe)).status, 403);
    assert.equal((await door.ask('GET', '/api/v1/nodes', joe)).status, 403);
    const review = { spec: { resourceAttributes: { namespace: 'default', verb: 'create', resource: 'pods' } } };
    const answer = await door.ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      ...joe,
      body: review,
    });
    assert.equal(answer.body.status.allowed, true);
    await door.ask('DELETE', `${path}/joe`);
    assert.equal((await door.ask('GET', configMaps, joe)).status, 403);
  });

  test('nobody hands out rights that they do not have', async () => {
    const ann = { headers: { 'impersonate-user': 'ann' } };
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ann' }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' };
    const bindings = `${rbac}/namespaces/default/rolebindings`;
    await door.ask('POST', bindings, { body: { metadata: { name: 'ann' }, roleRef, subjects } });
    const roles = `${rbac}/namespaces/default/roles`;
    const role = (resource: string) => ({
      metadata: { name: `on-${resource}` },
      rules: [{ apiGroups: [''], resources: [resource], verbs: ['get'] }],
    });
    assert.equal((await door.ask('POST', roles, { ...ann, body: role('pods') })).status, 201);
    const refused = await door.ask('POST', roles, { ...ann, body: role('nodes') });
    assert.equal(refused.status, 403);
    assert.match(refused.body.message, /is attempting to grant RBAC permissions not currently held/);
    const escalating = { metadata: { name: 'up' }, roleRef: { ...roleRef, name: 'cluster-admin' }, subjects };
    assert.equal((await door.ask('POST', bindings, { ...ann, body: escalating })).status, 403);
  });

  test('who may update but not create does not create by updating', async () => {
    const bob = { headers: { 'impersonate-user': 'bob' } };
    const rules = [{ apiGroups: [''], resources: ['limitranges'], verbs: ['update', 'patch'] }];
    await door.ask('POST', `${rbac}/clusterroles`, { body: { metadata: { name: 'updater' }, rules } });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'updater' };
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'bob' }];
    await door.ask('POST', `${rbac}/clusterrolebindings`, {
      body: { metadata: { name: 'updater' }, roleRef, subjects },
    });
    const path = '/api/v1/namespaces/default/limitranges/x';
    assert.equal(
      (await door.ask('PUT', path, { ...bob, body: { metadata: { name: 'x' }, spec: { limits: [] } } })).status,
      403,
    );
    const apply = { ...bob.headers, 'content-type': 'application/apply-patch+yaml' };
    const applied = { apiVersion: 'v1', kind: 'LimitRange', spec: { limits: [] } };
    assert.equal((await door.ask('PATCH', `${path}?fieldManager=m`, { body: applied, headers: apply })).status, 403);
  });
});
