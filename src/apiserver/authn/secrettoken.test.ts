/** Tokens that are kept in Secrets: made by a controller, shown to the server over HTTPS, gone with their Secret or account. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExposition, valueOf } from '../../machinery/testkit/exposition.ts';
import { seededRandom } from '../../machinery/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { Audit, auditPolicyOf } from '../audit/index.ts';
import { type Door, openDoor } from '../testkit/index.ts';

const core = '/api/v1/namespaces/default';
const secret = (name: string, account: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, annotations: { 'kubernetes.io/service-account.name': account } },
  type: 'kubernetes.io/service-account-token',
});

const read = async (door: Door, name: string) => (await door.ask('GET', `${core}/secrets/${name}`)).body;
const gone = async (door: Door, name: string) => (await door.ask('GET', `${core}/secrets/${name}`)).status === 404;
const as = (token: string) => ({ as: 'nobody' as const, headers: { authorization: `Bearer ${token}` } });

async function made(door: Door, name: string, account: string): Promise<string> {
  assert.equal((await door.ask('POST', `${core}/secrets`, { body: secret(name, account) })).status, 201);
  const { data } = await door.cluster.eventually(async () => {
    const found = await read(door, name);
    return found.data?.token && found;
  });
  return Buffer.from(data.token, 'base64').toString();
}

async function withAccount(): Promise<{ door: Door; events: () => any[] }> {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const rules = [{ level: 'Metadata', nonResourceURLs: ['/version'], omitStages: ['RequestReceived'] }];
  const policy = auditPolicyOf({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });
  const audit = new Audit({ policy, write: (line) => lines.push(line), clock, random: seededRandom(1) });
  const door = await openDoor({ clock, controllers: true, apiserver: { audit } });
  await door.ask('POST', `${core}/serviceaccounts`, { body: { metadata: { name: 'robot' } } });
  return { door, events: () => lines.map((line) => JSON.parse(line)) };
}

test('a Secret gets a token of its account, which is that account to the server, and is recorded as what it is', async () => {
  const { door, events } = await withAccount();
  await using _ = door;
  const token = await made(door, 'robot-token', 'robot');
  const { data, metadata } = await read(door, 'robot-token');
  assert.equal(Buffer.from(data.namespace, 'base64').toString(), 'default');
  const account = (await door.ask('GET', `${core}/serviceaccounts/robot`)).body;
  assert.equal(metadata.annotations['kubernetes.io/service-account.uid'], account.metadata.uid);
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
  assert.deepEqual(claims, {
    iss: 'kubernetes/serviceaccount',
    'kubernetes.io/serviceaccount/namespace': 'default',
    'kubernetes.io/serviceaccount/secret.name': 'robot-token',
    'kubernetes.io/serviceaccount/service-account.name': 'robot',
    'kubernetes.io/serviceaccount/service-account.uid': account.metadata.uid,
    sub: 'system:serviceaccount:default:robot',
  });
  assert.equal((await door.ask('GET', '/version', as(token))).status, 200);
  const { user, annotations } = events().at(-1);
  assert.equal(user.username, 'system:serviceaccount:default:robot');
  assert.equal(annotations['authentication.k8s.io/legacy-token'], user.username);
  assert.equal(annotations['authentication.k8s.io/legacy-token-manual-secret'], 'robot-token');
  const told = parseExposition((await door.ask('GET', '/metrics')).text);
  assert.equal(valueOf(told, 'serviceaccount_legacy_manual_token_uses_total'), 1);
  await door.cluster.eventually(async () => {
    const { labels } = (await read(door, 'robot-token')).metadata;
    return /^\d{4}-\d\d-\d\d$/.test(labels?.['kubernetes.io/legacy-token-last-used']);
  });
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
  const answer = await door.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { body: review });
  assert.deepEqual([answer.body.status.authenticated, answer.body.status.user.username], [true, user.username]);
});

test('it is good no longer than its Secret holds it, is not marked, and its account lives', async () => {
  const { door } = await withAccount();
  await using _ = door;
  const good = async (token: string) => (await door.ask('GET', '/version', as(token))).status === 200;
  const patch = (name: string, body: object) =>
    door.ask('PATCH', `${core}/secrets/${name}`, {
      body,
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  const [first, second, third] = [
    await made(door, 'first', 'robot'),
    await made(door, 'second', 'robot'),
    await made(door, 'third', 'robot'),
  ];
  for (const token of [first, second, third]) assert.ok(await good(token));
  await patch('first', { data: { token: Buffer.from('another').toString('base64') } });
  assert.equal(await good(first), false, 'its Secret holds another');
  await patch('second', { metadata: { labels: { 'kubernetes.io/legacy-token-invalid-since': '2026-11-01' } } });
  assert.equal(await good(second), false, 'it is marked');
  await door.ask('DELETE', `${core}/serviceaccounts/robot`);
  await door.cluster.eventually(() => gone(door, 'third'));
  assert.equal(await good(third), false, 'its account has gone');
  const [header, claims] = third.split('.');
  assert.equal(await good(`${header}.${claims}.${'A'.repeat(86)}`), false, 'nobody signed it');
});

test('a Secret of an account that does not exist goes', async () => {
  const { door } = await withAccount();
  await using _ = door;
  await door.ask('POST', `${core}/secrets`, { body: secret('stray', 'nobody') });
  await door.cluster.eventually(() => gone(door, 'stray'));
});
