/** The chain of authorizers as files and flags make it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { ServerFiles } from '../cli/index.ts';
import { MetricSet, seededRandom } from '../machinery/index.ts';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { settle, VirtualClock } from '../testing/index.ts';
import { authorizersOf } from './authorization.ts';

const flags: ServerFiles = {
  authorizationWebhookVersion: 'v1',
  authorizationWebhookCacheAuthorizedTtl: '5m',
  authorizationWebhookCacheUnauthorizedTtl: '30s',
  auditLogMaxage: 0,
  auditLogMaxbackup: 0,
  auditLogMaxsize: 0,
};

function folder(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'authorization-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, content: object) => {
    const path = join(directory, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const kubeconfig = write('webhook.kubeconfig', {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'a',
    clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:1/authorize' } }],
    users: [{ name: 'a', user: {} }],
    contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
  });
  const configuration = (...authorizers: object[]) =>
    write('authorization.yaml', {
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthorizationConfiguration',
      authorizers,
    });
  return { kubeconfig, configuration, missing: join(directory, 'missing') };
}

function around() {
  const clock = new VirtualClock();
  const metrics = new MetricSet();
  const errors: unknown[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void errors.push(fields) };
  return { clock, random: seededRandom(1), metrics, log, errors };
}

const rbac = { type: 'RBAC', name: 'rbac' };
const webhook = (kubeConfigFile: string, more = {}) => ({
  type: 'Webhook',
  name: 'outside',
  webhook: {
    timeout: '3s',
    subjectAccessReviewVersion: 'v1',
    failurePolicy: 'NoOpinion',
    connectionInfo: { type: 'KubeConfigFile', kubeConfigFile },
    ...more,
  },
});

test('a changed file is followed within a minute; a broken one changes nothing and is told once', async (t) => {
  const { configuration, kubeconfig, missing } = folder(t);
  const parts = around();
  const { clock, metrics, errors } = parts;
  const authorizationConfig = configuration(rbac);
  const authorizers = await authorizersOf({ ...flags, authorizationConfig }, parts);
  t.after(() => authorizers.close());
  const types = () => authorizers.current!().map(({ type }) => type);
  const aMinute = async () => {
    await clock.advance(60_000);
    await settle();
  };
  assert.deepEqual(types(), ['RBAC']);
  const before = authorizers.current!();
  await aMinute();
  assert.equal(authorizers.current!(), before, 'nothing has changed');
  configuration(webhook(kubeconfig), rbac);
  await aMinute();
  while (types().length < 2) await settle();
  assert.deepEqual(types(), ['Webhook', 'RBAC']);
  configuration(webhook(missing), rbac);
  for (let i = 0; i < 3; i++) await aMinute();
  configuration(webhook(kubeconfig));
  await aMinute();
  assert.deepEqual(types(), ['Webhook', 'RBAC']);
  const messages = errors.map((one) => (one as { err: Error }).err.message);
  assert.equal(messages.length, 2);
  assert.match(messages[0]!, /^authorizers\[0\]\.webhook\.connectionInfo\.kubeConfigFile: .*missing/);
  assert.match(messages[1]!, /^authorizers: RBAC: .*start it again/);
  const told = parseExposition(metrics.text());
  const reloads = (status: string) =>
    valueOf(told, 'apiserver_authorization_config_controller_automatic_reloads_total', { status });
  assert.deepEqual([reloads('success'), reloads('failure')], [1, 2]);
});

test('a file that cannot be read keeps the server from starting, and says why', async (t) => {
  const { configuration, kubeconfig, missing } = folder(t);
  const conditions = {
    matchConditionSubjectAccessReviewVersion: 'v1',
    matchConditions: [{ expression: 'request.nope' }],
  };
  await assert.rejects(
    authorizersOf({ ...flags, authorizationConfig: configuration(webhook(kubeconfig, conditions)) }, around()),
    /authorization\.yaml: authorizers\[0\]\.webhook\.matchConditions\[0\]\.expression: request\.nope: compilation failed/,
  );
  await assert.rejects(authorizersOf({ ...flags, authorizationConfig: missing }, around()), /missing: ENOENT/);
});

test('flags make the same chain, and none leaves it as it is', async (t) => {
  const { kubeconfig } = folder(t);
  assert.equal((await authorizersOf(flags, around())).current, undefined);
  const made = { ...flags, authorizationMode: ['Node', 'Webhook', 'RBAC'], authorizationWebhookConfigFile: kubeconfig };
  const { current, close } = await authorizersOf(made, around());
  t.after(close);
  assert.deepEqual(
    current!().map(({ type, name }) => `${type}/${name}`),
    ['Node/node', 'Webhook/default', 'RBAC/rbac'],
  );
  await assert.rejects(
    authorizersOf({ ...made, authorizationWebhookCacheAuthorizedTtl: 'long' }, around()),
    /--authorization-webhook-cache-authorized-ttl long: a duration is expected/,
  );
});
