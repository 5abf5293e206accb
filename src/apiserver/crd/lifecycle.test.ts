import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { memoryStore } from '../../store/index.ts';
import { type Door, openDoor } from '../testkit/index.ts';
import { conditionOf, definition, definitions, established } from './testkit/index.ts';

const merge = { 'content-type': 'application/merge-patch+json' };
const json = { 'content-type': 'application/json-patch+json' };

describe('the life of a custom resource definition', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
  });
  after(() => door[Symbol.asyncDispose]());
  const make = async (wanted: Parameters<typeof definition>[0]) => {
    const made = await door.ask('POST', definitions, { body: definition(wanted) });
    assert.equal(made.status, 201, made.text);
    return made.body;
  };
  const put = (path: string, name: string, more: object = {}) =>
    door.ask('POST', path, { body: { metadata: { name }, ...more } });

  test('it is established, and says which names it got', async () => {
    const group = 'est.example.com';
    const body = await make({
      group,
      plural: 'lives',
      kind: 'Life',
      names: { shortNames: ['lf'], categories: ['all'] },
    });
    assert.deepEqual(body.status.storedVersions, ['v1']);
    assert.deepEqual(body.spec.names.listKind, 'LifeList');
    assert.deepEqual(body.spec.conversion, { strategy: 'None' });
    await established(door, `lives.${group}`);
    const { status } = (await door.ask('GET', `${definitions}/lives.${group}`)).body;
    assert.deepEqual(status.acceptedNames, {
      categories: ['all'],
      kind: 'Life',
      listKind: 'LifeList',
      plural: 'lives',
      shortNames: ['lf'],
      singular: 'life',
    });
    assert.deepEqual(
      status.conditions.map((one: any) => [one.type, one.status, one.reason]),
      [
        ['NamesAccepted', 'True', 'NoConflicts'],
        ['Established', 'True', 'InitialNamesAccepted'],
      ],
    );
  });

  test('a name that another of its group has is refused until that one goes', async () => {
    const group = 'names.example.com';
    const first = definition({ group, plural: 'firsts', kind: 'First', names: { shortNames: ['f'] } });
    const second = definition({ group, plural: 'seconds', kind: 'Second', names: { shortNames: ['f'] } });
    await Promise.all([first, second].map((body) => door.ask('POST', definitions, { body })));
    await established(door, `firsts.${group}`);
    await door.cluster.eventually(
      async () => (await conditionOf(door, `seconds.${group}`, 'NamesAccepted'))?.reason === 'ShortNamesConflict',
    );
    assert.equal((await conditionOf(door, `seconds.${group}`, 'Established')).status, 'False');
    assert.equal((await door.ask('GET', `/apis/${group}/v1/seconds`)).status, 404);
    await door.ask('DELETE', `${definitions}/firsts.${group}`);
    await established(door, `seconds.${group}`);
    assert.equal((await door.ask('GET', `/apis/${group}/v1/seconds`)).status, 200);
  });

  test('it is in discovery and OpenAPI as soon as it is there, and gone when it goes', async () => {
    const group = 'disc.example.com';
    const props = {
      type: 'object',
      description: 'A disc',
      properties: { spec: { type: 'object', description: 'Its spec' } },
    };
    await make({
      group,
      plural: 'discs',
      kind: 'Disc',
      versions: [{ name: 'v1', schema: { openAPIV3Schema: props }, subresources: { status: {} } }, { name: 'v1beta1' }],
    });
    const { resources } = (await door.ask('GET', `/apis/${group}/v1`)).body;
    assert.deepEqual(
      resources.map((one: any) => one.name),
      ['discs', 'discs/status'],
    );
    const { versions, preferredVersion } = (await door.ask('GET', `/apis/${group}`)).body;
    assert.deepEqual([versions.length, preferredVersion.version], [2, 'v1']);
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const aggregated = async () =>
      (await door.ask('GET', '/apis', { headers: { accept } })).body.items.some(
        (one: any) => one.metadata.name === group,
      );
    assert.ok(await aggregated());
    const v2 = await door.ask('GET', '/openapi/v2');
    assert.equal(v2.body.definitions['com.example.disc.v1.Disc'].properties.spec.description, 'Its spec');
    assert.ok(v2.body.definitions['com.example.disc.v1.DiscList']);
    const unchanged = { 'if-none-match': String(v2.headers.etag) };
    assert.equal((await door.ask('GET', '/openapi/v2', { headers: unchanged })).status, 304);
    const { paths } = (await door.ask('GET', '/openapi/v3')).body;
    const v3 = (await door.ask('GET', paths[`apis/${group}/v1`].serverRelativeURL)).body;
    const schema = v3.components.schemas['com.example.disc.v1.Disc'];
    assert.deepEqual(schema['x-kubernetes-group-version-kind'], [{ group, version: 'v1', kind: 'Disc' }]);
    assert.equal(schema.description, 'A disc');
    assert.match(schema.properties.metadata.description, /^Standard object's metadata\./);
    assert.ok(v3.components.schemas['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta']);
    await door.ask('DELETE', `${definitions}/discs.${group}`);
    await door.cluster.eventually(async () => !(await aggregated()));
    assert.equal((await door.ask('GET', `/apis/${group}`)).status, 404);
    assert.equal((await door.ask('GET', '/openapi/v2')).body.definitions['com.example.disc.v1.Disc'], undefined);
  });

  test('its instances go with it, what is held waits, and nothing is created meanwhile', async () => {
    const group = 'end.example.com';
    const at = `/apis/${group}/v1/namespaces/default/ends`;
    await make({ group, plural: 'ends', kind: 'End' });
    for (let i = 0; i < 5; i++) await put(at, `free-${i}`);
    await put(at, 'held', { metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    const watch = await door.watch(`${at}?watch=1&fieldSelector=metadata.name%3Dheld`);
    assert.equal((await watch.next())?.type, 'ADDED');
    const going = await door.ask('DELETE', `${definitions}/ends.${group}`);
    assert.ok(going.body.metadata.deletionTimestamp);
    const refused = await put(at, 'late');
    assert.deepEqual([refused.status, refused.body.reason], [405, 'MethodNotAllowed']);
    await door.cluster.eventually(async () => (await door.ask('GET', at)).body.items.length === 1);
    const told = await conditionOf(door, `ends.${group}`, 'Terminating');
    assert.equal(told.status, 'True');
    const body = { metadata: { finalizers: null } };
    assert.equal((await door.ask('PATCH', `${at}/held`, { body, headers: merge })).status, 200);
    await door.cluster.eventually(async () => (await door.ask('GET', `${definitions}/ends.${group}`)).status === 404);
    assert.equal((await door.ask('GET', at)).status, 404);
    const types: string[] = [];
    for (let event = await watch.next(); event; event = await watch.next()) types.push(event.type);
    assert.deepEqual(types, ['MODIFIED', 'DELETED'], 'the watch sees the end and is ended');
    await make({ group, plural: 'ends', kind: 'End' });
    assert.deepEqual((await door.ask('GET', at)).body.items, []);
  });

  test('thousands of instances go without anybody waiting', async () => {
    const group = 'many.example.com';
    await make({ group, plural: 'manies', kind: 'Many', scope: 'Cluster' });
    const count = 5000;
    const writes = Array.from({ length: count }, (_, i) => {
      const object = { kind: 'Many', apiVersion: `${group}/v1`, metadata: { name: `m-${i}`, uid: `u-${i}` } };
      return { key: `/registry/${group}/manies/m-${i}`, value: Buffer.from(JSON.stringify(object)) };
    });
    await door.cluster.store.txn({ compare: [], writes });
    assert.equal(
      (await door.ask('GET', `/apis/${group}/v1/manies?limit=1`)).body.metadata.remainingItemCount,
      count - 1,
    );
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    try {
      await door.ask('DELETE', `${definitions}/manies.${group}`);
      // it takes work, not time: the clock stands still
      const until = performance.now() + 20_000;
      while ((await door.ask('GET', `${definitions}/manies.${group}`)).status !== 404)
        assert.ok(performance.now() < until, 'the definition is still there');
    } finally {
      clearInterval(timer);
    }
    const left = await door.cluster.store.range({ start: `/registry/${group}/`, end: `/registry/${group}0` });
    assert.equal(left.entries.length, 0);
    assert.ok(longest < 250, `the event loop stood still for ${longest} ms`);
  });

  test('versions differ in name only where no webhook converts; stored objects move when they are written', async () => {
    const group = 'vers.example.com';
    const at = (version: string) => `/apis/${group}/${version}/vers`;
    await make({
      group,
      plural: 'vers',
      kind: 'Ver',
      scope: 'Cluster',
      versions: [{ name: 'v1beta1' }, { name: 'v1' }],
    });
    await put(at('v1beta1'), 'a', { spec: { x: 1 } });
    const seen = (await door.ask('GET', `${at('v1')}/a`)).body;
    assert.deepEqual([seen.apiVersion, seen.spec], [`${group}/v1`, { x: 1 }]);
    const storage = [
      { op: 'replace', path: '/spec/versions/0/storage', value: false },
      { op: 'replace', path: '/spec/versions/1/storage', value: true },
      { op: 'add', path: '/spec/versions/0/deprecated', value: true },
    ];
    const moved = await door.ask('PATCH', `${definitions}/vers.${group}`, { body: storage, headers: json });
    assert.deepEqual(moved.body.status.storedVersions, ['v1beta1', 'v1'], moved.text);
    const key = `/registry/${group}/vers/a`;
    const stored = async () =>
      JSON.parse(
        Buffer.from((await door.cluster.store.range({ start: key, end: `${key}\0` })).entries[0]!.value).toString(),
      );
    assert.equal((await stored()).apiVersion, `${group}/v1beta1`);
    const both = (await door.ask('GET', at('v1'))).body.items;
    assert.equal(both[0].apiVersion, `${group}/v1`);
    const rewritten = await door.ask('PUT', `${at('v1')}/a`, { body: seen });
    assert.equal(rewritten.status, 200, rewritten.text);
    assert.equal((await stored()).apiVersion, `${group}/v1`);
    const old = await door.ask('GET', `${at('v1beta1')}/a`);
    assert.equal(old.body.apiVersion, `${group}/v1beta1`);
    assert.match(String(old.headers.warning), /vers.example.com\/v1beta1 Ver is deprecated/);
    const watch = await door.watch(`${at('v1beta1')}?watch=1`);
    assert.equal((await watch.next())?.object.apiVersion, `${group}/v1beta1`);
    await door.ask('PATCH', `${at('v1')}/a`, { body: { spec: { x: 2 } }, headers: merge });
    const event = await watch.next();
    assert.deepEqual([event?.object.apiVersion, event?.object.spec], [`${group}/v1beta1`, { x: 2 }]);
    watch.close();
    const dropped = [{ op: 'remove', path: '/spec/versions/0' }];
    const refused = await door.ask('PATCH', `${definitions}/vers.${group}`, { body: dropped, headers: json });
    assert.equal(refused.status, 422);
    const status = { status: { storedVersions: ['v1'] } };
    await door.ask('PATCH', `${definitions}/vers.${group}/status`, { body: status, headers: merge });
    const accepted = await door.ask('PATCH', `${definitions}/vers.${group}`, { body: dropped, headers: json });
    assert.equal(accepted.status, 200, accepted.text);
    assert.equal((await door.ask('GET', at('v1beta1'))).status, 404);
  });

  test('groups of the community need the community, and the status says so', async () => {
    const group = 'things.k8s.io';
    const body = definition({ group, plural: 'approveds', kind: 'Approved' });
    assert.equal((await door.ask('POST', definitions, { body })).status, 422);
    const annotations = { 'api-approved.kubernetes.io': 'unapproved, a test' };
    const made = await door.ask('POST', definitions, {
      body: { ...body, metadata: { ...body.metadata, annotations } },
    });
    assert.equal(made.status, 201, made.text);
    const type = 'KubernetesAPIApprovalPolicyConformant';
    const condition = await door.cluster.eventually(() => conditionOf(door, `approveds.${group}`, type));
    assert.deepEqual([condition.status, condition.reason], ['False', 'UnapprovedAnnotation']);
  });

  test('who may use it is a matter of roles, as of any other kind', async () => {
    const group = 'rbac.example.com';
    await make({ group, plural: 'guards', kind: 'Guard' });
    const rules = [{ apiGroups: [group], resources: ['guards'], verbs: ['get'] }];
    const roles = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
    await door.ask('POST', `${roles}/roles`, { body: { metadata: { name: 'g' }, rules } });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'g' };
    const subjects = [{ kind: 'User', name: 'ann', apiGroup: 'rbac.authorization.k8s.io' }];
    await door.ask('POST', `${roles}/rolebindings`, { body: { metadata: { name: 'g' }, roleRef, subjects } });
    const headers = { 'impersonate-user': 'ann' };
    const at = `/apis/${group}/v1/namespaces/default/guards`;
    await put(at, 'a');
    assert.equal((await door.ask('GET', `${at}/a`, { headers })).status, 200);
    assert.equal((await door.ask('DELETE', `${at}/a`, { headers })).status, 403);
    assert.equal((await door.ask('GET', `/apis/${group}/v1/namespaces/kube-system/guards/a`, { headers })).status, 403);
  });
});

test('a server that starts again serves what is defined, and ends what was ending', async () => {
  const store = memoryStore();
  const group = 'again.example.com';
  const at = (plural: string) => `/apis/${group}/v1/${plural}`;
  {
    await using door = await openDoor({ store });
    for (const [plural, kind] of [
      ['stays', 'Stay'],
      ['goes', 'Go'],
    ] as const)
      await door.ask('POST', definitions, { body: definition({ group, plural, kind, scope: 'Cluster' }) });
    await door.ask('POST', at('stays'), { body: { metadata: { name: 'a' }, spec: { x: 1 } } });
    const held = { metadata: { name: 'a', finalizers: ['example.com/hold'] } };
    await door.ask('POST', at('goes'), { body: held });
    await door.ask('DELETE', `${definitions}/goes.${group}`);
  }
  await using door = await openDoor({ store });
  assert.deepEqual((await door.ask('GET', `${at('stays')}/a`)).body.spec, { x: 1 });
  assert.equal((await door.ask('POST', at('goes'), { body: { metadata: { name: 'b' } } })).status, 405);
  const body = { metadata: { finalizers: null } };
  assert.equal((await door.ask('PATCH', `${at('goes')}/a`, { body, headers: merge })).status, 200);
  await door.cluster.eventually(async () => (await door.ask('GET', `${definitions}/goes.${group}`)).status === 404);
});
