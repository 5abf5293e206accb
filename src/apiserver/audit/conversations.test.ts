/** What is recorded of requests that become connections, or go on within the process; and where slow ones spent their time. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { configMaps, serviceAccounts } from '../../api/index.ts';
import { seededRandom } from '../../machinery/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { startResponder } from '../admission/testkit/index.ts';
import { configMap, type Door, openDoor, pod } from '../testkit/index.ts';
import { Audit, auditPolicyOf } from './index.ts';

const core = '/api/v1/namespaces/default';

async function recorded(t: TestContext, rules: unknown[] = [{ level: 'Metadata' }]) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const policy = auditPolicyOf({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });
  const audit = new Audit({ policy, write: (line) => lines.push(line), clock, random: seededRandom(1) });
  const door = await openDoor({ clock, apiserver: { audit } });
  t.after(() => door[Symbol.asyncDispose]());
  return { door, clock, events: () => lines.map((line) => JSON.parse(line)) };
}

/** Asks for an upgrade; resolves with the code and the id of the answer once the connection is closed again. */
function upgrade(door: Door, path: string): Promise<{ code: number; id: string | undefined }> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'echo', 'audit-id': 'mine', 'user-agent': 'upgrader' };
    const sent = request({ ...door.tls, agent: false, path, headers });
    sent.on('upgrade', (response, socket) => {
      socket.on('close', () => resolve({ code: response.statusCode!, id: undefined }));
      socket.end();
    });
    sent.on('response', (response) => {
      response.resume();
      response.on('end', () =>
        resolve({ code: response.statusCode!, id: response.headers['audit-id'] as string | undefined }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('an upgrade is recorded as it begins and as it ends, with the code that was answered', async (t) => {
  const { door, events } = await recorded(t, [{ level: 'Metadata', resources: [{ resources: ['pods/*'] }] }]);
  const server = createServer();
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  await door.ask('POST', `${core}/serviceaccounts`, { body: { metadata: { name: 'default' } } });
  await door.ask('POST', `${core}/pods`, { body: pod('web') });
  const status = { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] };
  const headers = { 'content-type': 'application/merge-patch+json' };
  await door.ask('PATCH', `${core}/pods/web/status`, { body: { status }, headers });
  const before = events().length;
  const path = `${core}/pods/web:${port}/proxy/chat`;
  assert.equal((await upgrade(door, path)).code, 101);
  await door.cluster.eventually(() => events().length === before + 3);
  const told = events().slice(before);
  assert.deepEqual(
    told.map(({ stage, responseStatus }) => [stage, responseStatus?.code]),
    [
      ['RequestReceived', undefined],
      ['ResponseStarted', 101],
      ['ResponseComplete', 101],
    ],
  );
  const [{ auditID, requestURI, objectRef, userAgent, annotations }] = told.slice(-1);
  assert.deepEqual([auditID, requestURI, userAgent], ['mine', path, 'upgrader']);
  assert.deepEqual([objectRef.subresource, annotations['authorization.k8s.io/decision']], ['proxy', 'allow']);

  const refused = await upgrade(door, `${core}/pods/web/exec?command=ls`);
  assert.deepEqual(refused, { code: 503, id: 'mine' });
  const [last] = events().slice(-1);
  assert.deepEqual(
    [last.stage, last.objectRef.subresource, last.responseStatus.code, last.responseStatus.reason],
    ['ResponseComplete', 'exec', 503, 'ServiceUnavailable'],
  );
});

test('a watch within the process is recorded from its beginning to its end', async (t) => {
  const { door, events } = await recorded(t, [{ level: 'Metadata', verbs: ['watch'] }]);
  const stop = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    const options = { namespace: 'default', signal: stop.signal };
    for await (const { object } of door.cluster.client.watch(configMaps, options)) seen.push(object.metadata.name!);
  })().catch(() => {});
  const stages = () => events().filter(({ objectRef }) => objectRef.resource === 'configmaps');
  await door.cluster.eventually(() => stages().length === 2);
  await door.cluster.client.create(configMaps, { metadata: { name: 'a', namespace: 'default' } });
  await door.cluster.eventually(() => seen.includes('a'));
  stop.abort();
  await watching;
  await door.cluster.eventually(() => stages().length === 3);
  assert.deepEqual(
    stages().map(({ stage, requestURI }) => [stage, requestURI]),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'].map((stage) => [stage, `${core}/configmaps`]),
  );
});

test('of a slow request it is recorded where it was slow, of others it is not', async (t) => {
  const { door, clock, events } = await recorded(t, [
    { level: 'Metadata', resources: [{ resources: ['configmaps'] }] },
  ]);
  const responder = await startResponder();
  t.after(() => responder[Symbol.asyncDispose]());
  const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
  const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const made = await door.ask('POST', hooks, {
    body: {
      metadata: { name: 'w' },
      webhooks: [
        {
          name: 'w.example.com',
          clientConfig: { url: responder.url, caBundle: responder.caBundle },
          rules: [rule],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    },
  });
  assert.equal(made.status, 201, made.text);
  let wait = 1500;
  responder.answer(async () => {
    if (wait > 0) await clock.advance(wait);
    return { allowed: true };
  });
  for (const name of ['late', 'soon']) {
    assert.equal((await door.ask('POST', `${core}/configmaps`, { body: configMap(name) })).status, 201);
    wait = 0;
  }
  const [late, soon] = events()
    .filter(({ stage }) => stage === 'ResponseComplete')
    .map(({ annotations }) => annotations);
  assert.equal(late['apiserver.latency.k8s.io/validating-webhook'], '1.5s');
  assert.equal(late['apiserver.latency.k8s.io/total'], '1.5s');
  assert.deepEqual(
    Object.keys(soon).filter((name) => name.includes('latency')),
    [],
  );
});

test('a pod’s token that is shown for too long is still good, and recorded as stale', async (t) => {
  const { door, clock, events } = await recorded(t, [{ level: 'Metadata', omitStages: ['RequestReceived'] }]);
  const { client } = door.cluster;
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  const { body: made } = await door.ask('POST', `${core}/pods`, { body: pod('web') });
  const ask = async (expirationSeconds: number) => {
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'web', uid: made.metadata.uid };
    const answer = await door.ask('POST', `${core}/serviceaccounts/default/token`, {
      body: { spec: { expirationSeconds, boundObjectRef } },
    });
    assert.equal(answer.status, 201, answer.text);
    return answer.body.status;
  };
  const [own, other] = [await ask(3607), await ask(3600)];
  assert.match(events().at(-1).annotations['authentication.kubernetes.io/issued-credential-id'], /^JTI=[0-9a-f-]{36}$/);
  assert.equal(Date.parse(own.expirationTimestamp), Math.floor(clock.now() / 1000) * 1000 + 3607_000);
  const as = (token: string) => ({ as: 'nobody' as const, headers: { authorization: `Bearer ${token}` } });
  assert.equal((await door.ask('GET', '/version', as(own.token))).status, 200);
  assert.equal(events().at(-1).annotations['authentication.k8s.io/stale-token'], undefined);
  await clock.advance(4000_000);
  assert.equal((await door.ask('GET', '/version', as(other.token))).status, 401);
  assert.equal((await door.ask('GET', '/version', as(own.token))).status, 200);
  assert.equal(
    events().at(-1).annotations['authentication.k8s.io/stale-token'],
    'subject: system:serviceaccount:default:default, seconds after warning threshold: 393',
  );
});

test('every answer names its request, recorded or not', async () => {
  await using door = await openDoor();
  const given = await door.ask('GET', '/version', { headers: { 'audit-id': 'mine' } });
  assert.equal(given.headers['audit-id'], 'mine');
  const { headers, status } = await door.ask('GET', '/nowhere');
  assert.equal(status, 404);
  assert.match(String(headers['audit-id']), /^[0-9a-f-]{36}$/);
  const long = await door.ask('GET', '/version', { headers: { 'audit-id': 'x'.repeat(100) } });
  assert.match(String(long.headers['audit-id']), /^[0-9a-f-]{36}$/);
});
