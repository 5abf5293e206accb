import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import { test } from 'node:test';
import { flowSchemas, priorityLevelConfigurations } from '../../api/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { type Door, openDoor } from '../testkit/index.ts';

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';
const configMaps = '/api/v1/namespaces/default/configmaps';

/** A hundred seats in all, so that a level of one share has one. */
async function narrowDoor(limitResponse: object): Promise<Door & { clock: VirtualClock }> {
  const clock = new VirtualClock();
  const door = await openDoor({ clock, apiserver: { seats: 100 } });
  const level = await door.ask('POST', `${group}/prioritylevelconfigurations`, {
    body: {
      metadata: { name: 'narrow' },
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, borrowingLimitPercent: 0, limitResponse } },
    },
  });
  assert.equal(level.status, 201, level.text);
  const schema = await door.ask('POST', `${group}/flowschemas`, { body: schemaOf('narrow', 'narrow') });
  assert.equal(schema.status, 201, schema.text);
  await bindEverybody(door);
  return Object.assign(door, { clock });
}

const schemaOf = (name: string, level: string) => ({
  metadata: { name },
  spec: {
    priorityLevelConfiguration: { name: level },
    matchingPrecedence: 50,
    distinguisherMethod: { type: 'ByUser' },
    rules: [
      {
        subjects: [{ kind: 'User', user: { name: 'jane' } }],
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }],
      },
    ],
  },
});

async function bindEverybody(door: Door): Promise<void> {
  const bound = await door.ask('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    body: {
      metadata: { name: 'jane' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
    },
  });
  assert.equal(bound.status, 201);
}

const jane = { 'Impersonate-User': 'jane' };
const ask = (door: Door) => door.ask('GET', configMaps, { headers: jane });

interface Held {
  status: Promise<number>;
  finish(): void;
  abandon(): void;
}

/** A write that keeps its seat until the rest of its body comes. */
async function hold(door: Door, name: string, executing: number): Promise<Held> {
  const body = Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } }));
  const request = httpsRequest({
    ...door.tls,
    agent: false,
    method: 'POST',
    path: configMaps,
    headers: { ...jane, 'Content-Type': 'application/json', 'Content-Length': body.length },
  });
  const status = new Promise<number>((resolve) => {
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    request.on('error', () => resolve(0));
  });
  request.write(body.subarray(0, 10));
  await shows(door, ({ ExecutingRequests, WaitingRequests }) => ExecutingRequests! + WaitingRequests! === executing);
  return { status, finish: () => request.end(body.subarray(10)), abandon: () => request.destroy() };
}

/** Until the page of levels shows it of the level `narrow`. */
async function shows(door: Door, is: (counts: Record<string, number>) => boolean): Promise<void> {
  const until = Date.now() + 5000;
  for (;;) {
    const { text } = await door.ask('GET', '/debug/api_priority_and_fairness/dump_priority_levels');
    const [head, ...rows] = text.trimEnd().split('\n');
    const names = head!.split(/,\s*/);
    const row = rows.map((one) => one.split(/,\s*/)).find(([name]) => name === 'narrow')!;
    const counts = Object.fromEntries(names.map((name, i) => [name, Number(row[i])]));
    if (is(counts)) return;
    assert.ok(Date.now() < until, text);
  }
}

test('a cluster has the FlowSchemas and levels of every cluster, none of them dangling', async () => {
  await using door = await openDoor();
  const { items: schemas } = await door.cluster.client.list(flowSchemas);
  assert.deepEqual(schemas.map(({ metadata, spec }) => `${spec.matchingPrecedence} ${metadata.name}`).toSorted(), [
    '1 exempt',
    '100 system-leader-election',
    '10000 catch-all',
    '2 probes',
    '400 system-node-high',
    '500 system-nodes',
    '800 kube-controller-manager',
    '800 kube-scheduler',
    '900 kube-system-service-accounts',
    '9000 service-accounts',
    '9900 global-default',
  ]);
  for (const { status } of schemas) assert.equal(status?.conditions?.[0]?.status, 'False');
  const { items: levels } = await door.cluster.client.list(priorityLevelConfigurations);
  assert.equal(levels.length, 8);
});

test('an answer says by UID which FlowSchema and level it was of', async () => {
  await using door = await openDoor();
  const uidOf = async (path: string) => (await door.ask('GET', `${group}/${path}`)).body.metadata.uid;
  const [schema, level] = [await uidOf('flowschemas/exempt'), await uidOf('prioritylevelconfigurations/exempt')];
  const mine = await door.ask('GET', configMaps);
  assert.equal(mine.headers['x-kubernetes-pf-flowschema-uid'], schema);
  assert.equal(mine.headers['x-kubernetes-pf-prioritylevel-uid'], level);
  const refused = await door.ask('GET', configMaps, { as: 'nobody' });
  assert.equal(refused.status, 403);
  assert.equal(refused.headers['x-kubernetes-pf-flowschema-uid'], await uidOf('flowschemas/global-default'));
});

test('who finds no seat at a level without queues is turned away in upstream’s words; others are not', async () => {
  await using door = await narrowDoor({ type: 'Reject' });
  const held = await hold(door, 'one', 1);
  const refused = await ask(door);
  assert.equal(refused.status, 429);
  assert.equal(refused.text, 'Too many requests, please try again later.\n');
  assert.equal(refused.headers['retry-after'], '1');
  assert.match(refused.headers['content-type']!, /^text\/plain/);
  assert.ok(refused.headers['x-kubernetes-pf-flowschema-uid']);
  assert.equal((await door.ask('GET', configMaps, { headers: { 'Impersonate-User': 'joe' } })).status, 403);
  assert.equal((await door.ask('GET', configMaps)).status, 200);
  held.finish();
  assert.equal(await held.status, 201);
  assert.equal((await ask(door)).status, 200);
});

test('a queue holds as many as it may, in order, until a seat is free', async () => {
  await using door = await narrowDoor({ type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 1 } });
  const first = await hold(door, 'first', 1);
  const second = await hold(door, 'second', 2);
  assert.equal((await ask(door)).status, 429);
  second.finish();
  first.finish();
  assert.equal(await first.status, 201);
  assert.equal(await second.status, 201);
  await shows(door, ({ ExecutingRequests, WaitingRequests }) => ExecutingRequests === 0 && WaitingRequests === 0);
});

test('nobody waits longer than a quarter of a minute', async () => {
  await using door = await narrowDoor({ type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 5 } });
  const first = await hold(door, 'first', 1);
  const second = await hold(door, 'second', 2);
  await door.clock.advance(15_000);
  assert.equal(await second.status, 429);
  first.finish();
  assert.equal(await first.status, 201);
});

test('a client that goes away leaves its queue', async () => {
  await using door = await narrowDoor({ type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 5 } });
  const first = await hold(door, 'first', 1);
  const second = await hold(door, 'second', 2);
  second.abandon();
  await shows(door, ({ WaitingRequests, CancelledRequests }) => WaitingRequests === 0 && CancelledRequests === 1);
  first.finish();
  assert.equal(await first.status, 201);
});

test('a watch keeps its seat no longer than it takes to begin', async () => {
  await using door = await narrowDoor({ type: 'Reject' });
  const watch = await new Promise<{ statusCode?: number; destroy(): void }>((resolve) => {
    httpsRequest({ ...door.tls, agent: false, path: `${configMaps}?watch=1`, headers: jane }, resolve).end();
  });
  assert.equal(watch.statusCode, 200);
  await shows(door, ({ ExecutingRequests }) => ExecutingRequests === 0);
  assert.equal((await ask(door)).status, 200);
  watch.destroy();
});

test('what the objects say holds at once, and a FlowSchema says whether its level is there', async () => {
  await using door = await narrowDoor({ type: 'Reject' });
  const held = await hold(door, 'one', 1);
  assert.equal((await ask(door)).status, 429);
  const schema = `${group}/flowschemas/narrow`;
  const merge = { 'Content-Type': 'application/merge-patch+json' };
  const to = (name: string) =>
    door.ask('PATCH', schema, { headers: merge, body: { spec: { priorityLevelConfiguration: { name } } } });
  assert.equal((await to('global-default')).status, 200);
  assert.equal((await ask(door)).status, 200);
  assert.equal((await to('nowhere')).status, 200);
  const dangles = async (is: string) =>
    (await door.ask('GET', schema)).body.status.conditions.some(
      ({ type, status }: any) => type === 'Dangling' && status === is,
    );
  await door.cluster.eventually(() => dangles('True'));
  // it is as if it were not there
  assert.equal((await ask(door)).status, 200);
  assert.equal((await to('narrow')).status, 200);
  await door.cluster.eventually(() => dangles('False'));
  held.finish();
  assert.equal(await held.status, 201);
});

test('suggested objects come back, are kept as they were, and are left alone when their annotation says so', async () => {
  await using door = await openDoor();
  const { client } = door.cluster;
  const merge = { 'Content-Type': 'application/merge-patch+json' };
  const patch = (name: string, body: object) =>
    door.ask('PATCH', `${group}/prioritylevelconfigurations/${name}`, { headers: merge, body });
  const shares = { spec: { limited: { nominalConcurrencyShares: 77 } } };
  await client.delete(priorityLevelConfigurations, { name: 'system' });
  assert.equal((await patch('workload-low', shares)).status, 200);
  const annotations = { 'apf.kubernetes.io/autoupdate-spec': 'false' };
  assert.equal((await patch('workload-high', { metadata: { annotations }, ...shares })).status, 200);
  const sharesOf = async (name: string) =>
    (await client.get(priorityLevelConfigurations, { name })).spec.limited?.nominalConcurrencyShares;
  await door.cluster.eventually(async () => (await sharesOf('workload-low')) === 100, { within: 120_000 });
  assert.equal(await sharesOf('system'), 30);
  assert.equal(await sharesOf('workload-high'), 77);
});

test('what no request could be judged by is refused', async () => {
  await using door = await openDoor();
  const schema = (change: (body: any) => void) => {
    const body: any = schemaOf('mine', 'global-default');
    change(body);
    return ['flowschemas', body] as const;
  };
  const level = (name: string, spec: object) => ['prioritylevelconfigurations', { metadata: { name }, spec }] as const;
  const queue = (queuing: object) =>
    level('mine', { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing } } });
  const cases: [string, readonly [string, object], RegExp][] = [
    ['precedence 1 is exempt’s', schema((one) => void (one.spec.matchingPrecedence = 1)), /only the schema named/],
    ['precedence has an end', schema((one) => void (one.spec.matchingPrecedence = 10_001)), /greater than 10000/],
    ['a rule needs subjects', schema((one) => void (one.spec.rules[0].subjects = [])), /at least one value/],
    ['a rule needs rules', schema((one) => void delete one.spec.rules[0].resourceRules), /has to be non-empty/],
    [
      'a subject is of its kind',
      schema((one) => void (one.spec.rules[0].subjects[0].group = { name: 'g' })),
      /group is forbidden when subject kind is not 'Group'/,
    ],
    [
      'a verb is one that there is',
      schema((one) => void (one.spec.rules[0].resourceRules[0].verbs = ['fetch'])),
      /supported values: "create", "delete"/,
    ],
    [
      'a star is alone',
      schema((one) => void (one.spec.rules[0].resourceRules[0].apiGroups = ['*', 'apps'])),
      /if '\*' is present, must not specify other api groups/,
    ],
    ['only exempt is Exempt', level('mine', { type: 'Exempt' }), /if and only if `name` is 'exempt'/],
    ['a hand is no larger than the deck', queue({ queues: 4, handSize: 8 }), /not be greater than queues \(4\)/],
    ['a hand needs no more bits than there are', queue({ queues: 4096, handSize: 10 }), /required entropy bits/],
  ];
  for (const [name, [resource, body], told] of cases) {
    const answer = await door.ask('POST', `${group}/${resource}`, { body });
    assert.equal(answer.status, 422, `${name}: ${answer.text}`);
    assert.match(answer.body.message, told, name);
  }
  const merge = { 'Content-Type': 'application/merge-patch+json' };
  const body = { spec: { limited: { nominalConcurrencyShares: 50 } } };
  const fixed = await door.ask('PATCH', `${group}/prioritylevelconfigurations/catch-all`, { headers: merge, body });
  assert.match(fixed.body.message, /spec of 'catch-all' must equal the fixed value/);
});

test('the pages show levels, queues and requests', async () => {
  await using door = await narrowDoor({ type: 'Queue', queuing: { queues: 2, handSize: 1, queueLengthLimit: 5 } });
  const first = await hold(door, 'first', 1);
  const second = await hold(door, 'second', 2);
  const page = async (name: string) => (await door.ask('GET', `/debug/api_priority_and_fairness/${name}`)).text;
  assert.match(await page('dump_queues'), /^narrow, +[01], +1, +1, +1, /m);
  const requests = await page('dump_requests?includeRequestDetails=1');
  assert.match(requests, /^narrow, +narrow, +[01], +0, +jane, .*, +jane, +create, +\/api\/v1\/namespaces\/default/m);
  assert.equal((await door.ask('GET', '/debug/api_priority_and_fairness/none')).status, 404);
  second.finish();
  first.finish();
  assert.deepEqual([await first.status, await second.status], [201, 201]);
});
