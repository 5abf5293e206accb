import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { configMaps } from '../../api/index.ts';
import { seededRandom } from '../../machinery/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { requestInfoOf } from '../request.ts';
import { openDoor } from '../testkit/index.ts';
import { Audit, auditPolicyOf, RotatingLog } from './index.ts';

const policyOf = (rules: unknown[], more: object = {}) =>
  auditPolicyOf({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules, ...more });

async function audited(rules: unknown[], more: object = {}) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const audit = new Audit({
    policy: policyOf(rules, more),
    write: (line) => lines.push(line),
    clock,
    random: seededRandom(1),
  });
  const door = await openDoor({ clock, apiserver: { audit } });
  return { door, events: () => lines.map((line) => JSON.parse(line)), text: () => lines.join('\n') };
}

const configMap = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'b' } });

test('a request is recorded when it arrives and when it is answered: who, what, from where, by whose leave', async () => {
  const { door, events } = await audited([{ level: 'Metadata' }]);
  await using _ = door;
  const path = '/api/v1/namespaces/default/configmaps';
  const headers = { 'Audit-Id': 'given-by-me', 'User-Agent': 'test/1' };
  const answer = await door.ask('POST', `${path}?fieldManager=me`, { body: configMap('one'), headers });
  assert.equal(answer.headers['audit-id'], 'given-by-me');
  const [received, complete] = events();
  assert.equal(received.stage, 'RequestReceived');
  assert.equal(received.responseStatus, undefined);
  const { requestReceivedTimestamp, stageTimestamp, user, ...rest } = complete;
  assert.match(requestReceivedTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.match(stageTimestamp, /Z$/);
  assert.ok(user.groups.includes('system:authenticated'));
  assert.deepEqual(rest, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'given-by-me',
    stage: 'ResponseComplete',
    requestURI: `${path}?fieldManager=me`,
    verb: 'create',
    sourceIPs: ['127.0.0.1'],
    userAgent: 'test/1',
    objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
});

test('bodies are recorded as far as the level says, and of a secret only that it was asked for', async () => {
  const { door, events, text } = await audited(
    [
      { level: 'Metadata', resources: [{ resources: ['secrets'] }] },
      { level: 'Request', verbs: ['create'] },
      { level: 'RequestResponse', verbs: ['get'] },
      { level: 'None' },
    ],
    { omitStages: ['RequestReceived'], omitManagedFields: true },
  );
  await using _ = door;
  const of = (resource: string) => `/api/v1/namespaces/default/${resource}`;
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { password: 'hunter2' } };
  await door.ask('POST', of('secrets'), { body: secret });
  await door.ask('GET', `${of('secrets')}/s`);
  await door.ask('POST', of('configmaps'), { body: configMap('one') });
  await door.ask('GET', `${of('configmaps')}/one`);
  await door.ask('DELETE', `${of('configmaps')}/one`);
  assert.deepEqual(
    events().map(({ verb, level, requestObject, responseObject }) => [
      verb,
      level,
      requestObject?.kind,
      responseObject?.kind,
    ]),
    [
      ['create', 'Metadata', undefined, undefined],
      ['get', 'Metadata', undefined, undefined],
      ['create', 'Request', 'ConfigMap', undefined],
      ['get', 'RequestResponse', undefined, 'ConfigMap'],
    ],
  );
  assert.ok(!/hunter2|aHVudGVyMg/.test(text()));
  assert.ok(!text().includes('managedFields'));
});

test('a refusal, a failed login, an impersonation and a watch', async () => {
  const { door, events } = await audited([{ level: 'Metadata', omitStages: ['RequestReceived'] }]);
  await using _ = door;
  const path = '/api/v1/namespaces/default/configmaps';
  await door.ask('GET', path, { headers: { 'Impersonate-User': 'jane' } });
  await door.ask('GET', path, { as: 'nobody', headers: { Authorization: 'Bearer wrong' } });
  const watch = await door.watch(`${path}?watch=true`);
  watch.close();
  await door.cluster.eventually(() =>
    events().some(({ stage, verb }) => verb === 'watch' && stage === 'ResponseComplete'),
  );
  const [refused, failed, started] = events();
  assert.equal(refused.impersonatedUser.username, 'jane');
  assert.equal(refused.annotations['authorization.k8s.io/decision'], 'forbid');
  assert.equal(refused.responseStatus.code, 403);
  assert.equal(refused.responseStatus.reason, 'Forbidden');
  assert.deepEqual([failed.user, failed.responseStatus.code], [{ username: '' }, 401]);
  assert.deepEqual([started.verb, started.stage], ['watch', 'ResponseStarted']);
});

test('parts of the process are recorded as those who come from outside', async () => {
  const { door, events } = await audited([{ level: 'Request', omitStages: ['RequestReceived'] }]);
  await using _ = door;
  const client = door.cluster.clientFor({ name: 'system:kube-scheduler' });
  await client.get(configMaps, { name: 'kube-root-ca.crt', namespace: 'default' }).catch(() => {});
  await door.cluster.client.create(configMaps, { metadata: { name: 'one', namespace: 'default' } });
  const [refused, created] = events();
  assert.deepEqual([refused.user.username, refused.responseStatus.code], ['system:kube-scheduler', 403]);
  assert.equal(refused.requestURI, '/api/v1/namespaces/default/configmaps/kube-root-ca.crt');
  assert.deepEqual([created.responseStatus.code, created.requestObject.metadata.name], [201, 'one']);
  assert.equal(created.requestObject.metadata.uid, undefined);
});

const jane = { name: 'jane', groups: ['dev'] };
for (const [rule, method, path, wanted] of [
  [{ users: ['jane'] }, 'GET', '/api/v1/pods', true],
  [{ users: ['joe'] }, 'GET', '/api/v1/pods', false],
  [{ userGroups: ['dev'] }, 'GET', '/api/v1/pods', true],
  [{ verbs: ['watch'] }, 'GET', '/api/v1/pods', false],
  [{ resources: [{ resources: ['pods'] }] }, 'GET', '/api/v1/namespaces/a/pods/p/log', false],
  [{ resources: [{ resources: ['pods/log'] }] }, 'GET', '/api/v1/namespaces/a/pods/p/log', true],
  [{ resources: [{ resources: ['*/log'] }] }, 'GET', '/api/v1/namespaces/a/pods/p/log', true],
  [{ resources: [{ resources: ['pods/*'] }] }, 'GET', '/api/v1/namespaces/a/pods/p/log', true],
  [{ resources: [{ group: 'apps' }] }, 'GET', '/apis/apps/v1/deployments', true],
  [{ resources: [{ group: '' }] }, 'GET', '/apis/apps/v1/deployments', false],
  [{ resources: [{ resources: ['pods'], resourceNames: ['q'] }] }, 'GET', '/api/v1/namespaces/a/pods/p', false],
  [{ namespaces: ['a'] }, 'GET', '/api/v1/namespaces/a/pods', true],
  [{ namespaces: [''] }, 'GET', '/api/v1/nodes', true],
  [{ namespaces: ['a'] }, 'GET', '/healthz', false],
  [{ nonResourceURLs: ['/health*'] }, 'GET', '/healthz', true],
  [{ nonResourceURLs: ['/health*'] }, 'GET', '/api/v1/pods', false],
] as const)
  test(`the rule ${JSON.stringify(rule)} ${wanted ? 'is for' : 'is not for'} ${path}`, () => {
    const { level } = policyOf([{ level: 'Metadata', ...rule }]).recordOf(jane, requestInfoOf(method, path, undefined));
    assert.equal(level, wanted ? 'Metadata' : 'None');
  });

for (const [rules, wanted] of [
  [[], /rules: at least one/],
  [[{ level: 'All' }], /rules\[0\].level: "All" is not one of/],
  [[{ level: 'None', omitStages: ['Late'] }], /omitStages: "Late"/],
  [[{ level: 'None', nonResourceURLs: ['a*b'] }], /a path is expected/],
  [[{ level: 'None', nonResourceURLs: ['/a'], namespaces: ['b'] }], /both/],
] as const)
  test(`the rules ${JSON.stringify(rules)} are refused`, () => assert.throws(() => policyOf([...rules]), wanted));

test('a full log is put aside, the oldest go, and every line is there once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glasshouse-audit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'audit.log');
  const clock = new VirtualClock();
  const log = new RotatingLog({ path, maxSize: 1, maxBackups: 2, clock, failed: assert.ifError });
  const line = (n: number) => `${n} ${'x'.repeat(100_000)}`;
  for (let n = 0; n < 35; n++) log.write(line(n));
  await log.close();
  const files = readdirSync(directory).sort();
  assert.equal(files.length, 3);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (const file of files) assert.ok(statSync(join(directory, file)).size <= 1 << 20);
  const numbers = files.flatMap((file) =>
    readFileSync(join(directory, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((one) => parseInt(one, 10)),
  );
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 25 }, (_, i) => i + 10),
  );
});
