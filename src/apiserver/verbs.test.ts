import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { configMap, defaultAccount, type Door, openDoor, pod } from './testkit/index.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const names = (list: any): string[] => list.items.map((one: any) => one.metadata.name);
const merge = { 'content-type': 'application/merge-patch+json' };
const apply = { 'content-type': 'application/apply-patch+yaml' };

const deployment = (name: string) => ({
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
});

describe('verbs over HTTPS', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
  });
  after(() => door[Symbol.asyncDispose]());
  const make = async (name: string, data = {}, metadata = {}) =>
    (await door.ask('POST', configMaps, { body: configMap(name, data, metadata) })).body;

  test('an object is created once, read, updated at the revision that was read, and deleted', async () => {
    const made = await make('life', { x: '1' });
    assert.equal((await door.ask('POST', configMaps, { body: configMap('life') })).body.reason, 'AlreadyExists');
    const changed = await door.ask('PUT', `${configMaps}/life`, { body: { ...made, data: { x: '2' } } });
    assert.equal(changed.status, 200);
    assert.equal(changed.body.metadata.uid, made.metadata.uid);
    const stale = await door.ask('PUT', `${configMaps}/life`, { body: { ...made, data: { x: '3' } } });
    assert.deepEqual([stale.status, stale.body.reason], [409, 'Conflict']);
    assert.deepEqual((await door.ask('GET', `${configMaps}/life`)).body.data, { x: '2' });
    const whatever = { ...made, data: { x: '4' }, metadata: { ...made.metadata, resourceVersion: '0' } };
    assert.equal((await door.ask('PUT', `${configMaps}/life`, { body: whatever })).status, 200, 'at any revision');
    const gone = await door.ask('DELETE', `${configMaps}/life`);
    assert.deepEqual(gone.body.details, { name: 'life', kind: 'configmaps', uid: made.metadata.uid });
    assert.equal((await door.ask('GET', `${configMaps}/life`)).status, 404);
  });

  test('the deletion of a service, and of few other kinds, is answered with what was deleted', async () => {
    const services = '/api/v1/namespaces/default/services';
    await door.ask('POST', services, { body: { metadata: { name: 'short' }, spec: { ports: [{ port: 80 }] } } });
    const { body } = await door.ask('DELETE', `${services}/short`);
    assert.deepEqual([body.kind, body.metadata.name], ['Service', 'short']);
    const { body: document } = await door.ask('GET', '/openapi/v2');
    const said = (path: string) => document.paths[path].delete.responses[200].schema.$ref.split('.').at(-1);
    assert.equal(said('/api/v1/namespaces/{namespace}/services/{name}'), 'Service');
    assert.equal(said('/api/v1/namespaces/{namespace}/configmaps/{name}'), 'Status');
    assert.equal(said('/api/v1/namespaces/{namespace}/services'), 'Status');
  });

  test('JSON ends its line; what is not known of a failure is left out', async () => {
    const made = await make('line', { x: '1' });
    const answers = await Promise.all(
      [`${configMaps}/line`, configMaps, `${configMaps}/none`, '/api'].map(
        async (path) => (await door.ask('GET', path)).text,
      ),
    );
    for (const text of answers) assert.match(text, /\}\n$/);
    assert.equal(JSON.parse(answers[0]!).metadata.uid, made.metadata.uid);
    assert.deepEqual(JSON.parse(answers[2]!).details, { name: 'none', kind: 'configmaps' });
  });

  test('a write that changes nothing takes no revision', async () => {
    const made = await make('same', { x: '1' });
    const again = await door.ask('PUT', `${configMaps}/same`, { body: configMap('same', { x: '1' }) });
    assert.equal(again.body.metadata.resourceVersion, made.metadata.resourceVersion);
  });

  test('a dry run answers as the real one and writes nothing', async () => {
    const made = await door.ask('POST', `${configMaps}?dryRun=All`, { body: configMap('dry') });
    assert.equal(made.status, 201);
    assert.equal((await door.ask('GET', `${configMaps}/dry`)).status, 404);
    await make('wet', { x: '1' });
    const patched = await door.ask('PATCH', `${configMaps}/wet?dryRun=All`, {
      body: { data: { x: '2' } },
      headers: merge,
    });
    assert.deepEqual(patched.body.data, { x: '2' });
    assert.equal((await door.ask('DELETE', `${configMaps}/wet`, { body: { dryRun: ['All'] } })).status, 200);
    assert.deepEqual((await door.ask('GET', `${configMaps}/wet`)).body.data, { x: '1' });
  });

  test('generateName adds five characters, each time others', async () => {
    const made = await Promise.all(
      [1, 2].map(() => door.ask('POST', configMaps, { body: { metadata: { generateName: 'gen-' } } })),
    );
    for (const { body } of made) assert.match(body.metadata.name, /^gen-[a-z0-9]{5}$/);
    assert.notEqual(made[0]!.body.metadata.name, made[1]!.body.metadata.name);
  });

  test('each kind of patch changes what it names', async () => {
    await make('patched', { x: '1', y: '1' });
    const patch = async (type: string, body: unknown, query = '') =>
      (
        await door.ask('PATCH', `${configMaps}/patched${query}`, {
          body,
          headers: { 'content-type': `application/${type}` },
        })
      ).body;
    assert.deepEqual((await patch('json-patch+json', [{ op: 'replace', path: '/data/x', value: '2' }])).data, {
      x: '2',
      y: '1',
    });
    assert.deepEqual((await patch('merge-patch+json', { data: { y: null } })).data, { x: '2' });
    assert.deepEqual((await patch('strategic-merge-patch+json', { data: { z: '3' } })).data, { x: '2', z: '3' });
    const applied = await patch(
      'apply-patch+yaml',
      'apiVersion: v1\nkind: ConfigMap\ndata: {w: "4"}\n',
      '?fieldManager=one',
    );
    assert.deepEqual(applied.data, { x: '2', z: '3', w: '4' });
    const stale = await patch('merge-patch+json', { metadata: { resourceVersion: '1' }, data: {} });
    assert.equal(stale.reason, 'Conflict');
  });

  test('apply makes what is missing, and tells whose field it would take', async () => {
    const body = (x: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', data: { x } });
    const made = await door.ask('PATCH', `${configMaps}/applied?fieldManager=one`, { body: body('1'), headers: apply });
    assert.equal(made.status, 201);
    const refused = await door.ask('PATCH', `${configMaps}/applied?fieldManager=two`, {
      body: body('2'),
      headers: apply,
    });
    assert.deepEqual([refused.status, refused.body.reason], [409, 'Conflict']);
    assert.match(refused.body.details.causes[0].message, /conflict with "one"/);
    assert.equal(refused.body.details.causes[0].field, '.data.x');
    const forced = await door.ask('PATCH', `${configMaps}/applied?fieldManager=two&force=true`, {
      body: body('2'),
      headers: apply,
    });
    assert.deepEqual(forced.body.data, { x: '2' });
    assert.deepEqual(
      forced.body.metadata.managedFields.map((one: any) => one.manager),
      ['two'],
    );
  });

  test('what admission and the server add belongs to nobody', async () => {
    const { body } = await door.ask('POST', `${pods}?fieldManager=me`, { body: pod('owned') });
    assert.equal(body.spec.tolerations.length, 2);
    const [entry] = body.metadata.managedFields;
    assert.equal(entry.manager, 'me');
    assert.equal(entry.fieldsV1['f:spec']['f:tolerations'], undefined);
    assert.notEqual(entry.fieldsV1['f:spec']['f:restartPolicy'], undefined);
  });

  test('a list goes on at the revision of its first page, whatever happens meanwhile', async () => {
    await Promise.all(['p1', 'p2', 'p3', 'p4'].map((name) => make(name, {}, { labels: { page: 'y' } })));
    const path = `${configMaps}?labelSelector=page%3Dy&limit=2`;
    const first = (await door.ask('GET', path)).body;
    assert.deepEqual(names(first), ['p1', 'p2']);
    await door.ask('DELETE', `${configMaps}/p3`);
    await make('p5', {}, { labels: { page: 'y' } });
    const second = (await door.ask('GET', `${path}&continue=${first.metadata.continue}`)).body;
    assert.deepEqual(names(second), ['p3', 'p4']);
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    assert.equal(second.metadata.continue, undefined);
    const exact = `${configMaps}?labelSelector=page%3Dy&resourceVersionMatch=Exact&resourceVersion=${first.metadata.resourceVersion}`;
    assert.deepEqual(names((await door.ask('GET', exact)).body), ['p1', 'p2', 'p3', 'p4']);
  });

  test('a continued list whose revision is forgotten gets 410 and a token to go on with', async () => {
    await Promise.all(['q1', 'q2', 'q3'].map((name) => make(name)));
    const first = (await door.ask('GET', `${configMaps}?limit=1`)).body;
    await make('q4');
    await door.cluster.store.compact(door.cluster.store.revision);
    const { status, body } = await door.ask('GET', `${configMaps}?limit=500&continue=${first.metadata.continue}`);
    assert.deepEqual([status, body.reason], [410, 'Expired']);
    const rest = await door.ask('GET', `${configMaps}?limit=500&continue=${body.metadata.continue}`);
    assert.equal(rest.status, 200);
    assert.ok(names(rest.body).includes('q4') && !names(rest.body).includes(names(first)[0]!));
  });

  test('it gets the same where nothing of the list has changed since', async () => {
    const first = (await door.ask('GET', `${configMaps}?limit=1`)).body;
    const secrets = '/api/v1/namespaces/default/secrets';
    await door.ask('POST', secrets, { body: { metadata: { name: 'another-kind' } } });
    await door.cluster.store.compact(door.cluster.store.revision);
    const { status, body } = await door.ask('GET', `${configMaps}?limit=1&continue=${first.metadata.continue}`);
    assert.deepEqual([status, body.reason], [410, 'Expired']);
    assert.ok(body.metadata.continue);
  });

  test('deletecollection deletes what a list would show', async () => {
    await Promise.all(Array.from({ length: 150 }, (_, i) => make(`many-${i}`, {}, { labels: { many: 'y' } })));
    const { body } = await door.ask('DELETE', `${configMaps}?labelSelector=many%3Dy`);
    assert.equal(body.items.length, 150);
    assert.deepEqual(names((await door.ask('GET', `${configMaps}?labelSelector=many`)).body), []);
    assert.ok(names((await door.ask('GET', configMaps)).body).includes('same'));
  });

  test('no one request creates or deletes across namespaces', async () => {
    await make('stays', {}, {});
    for (const method of ['DELETE', 'POST']) {
      const { status, body } = await door.ask(method, '/api/v1/configmaps', { body: {} });
      assert.deepEqual([status, body.reason], [405, 'MethodNotAllowed']);
    }
    assert.equal((await door.ask('GET', `${configMaps}/stays`)).status, 200);
  });

  test('a finalizer holds an object until it is taken away; no more are added meanwhile', async () => {
    await make('held', {}, { finalizers: ['example.com/hold'] });
    const { body } = await door.ask('DELETE', `${configMaps}/held`);
    assert.ok(body.metadata.deletionTimestamp);
    const added = await door.ask('PATCH', `${configMaps}/held`, {
      body: { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } },
      headers: merge,
    });
    assert.deepEqual([added.status, added.body.reason], [422, 'Invalid']);
    assert.equal((await door.ask('DELETE', `${configMaps}/held`)).status, 200);
    await door.ask('PATCH', `${configMaps}/held`, { body: { metadata: { finalizers: null } }, headers: merge });
    assert.equal((await door.ask('GET', `${configMaps}/held`)).status, 404);
  });

  test('propagation policies leave their finalizer', async () => {
    for (const [policy, finalizer] of [
      ['Foreground', 'foregroundDeletion'],
      ['Orphan', 'orphan'],
    ] as const) {
      await make(`by-${policy.toLowerCase()}`);
      const { body } = await door.ask('DELETE', `${configMaps}/by-${policy.toLowerCase()}?propagationPolicy=${policy}`);
      assert.deepEqual(body.metadata.finalizers, [finalizer]);
    }
  });

  test('a pod on a node has its grace; a shorter one may be asked for, a longer one not', async () => {
    await door.ask('POST', pods, { body: pod('graceful', { nodeName: 'n' }) });
    const first = await door.ask('DELETE', `${pods}/graceful`);
    assert.equal(first.body.metadata.deletionGracePeriodSeconds, 30);
    const shorter = await door.ask('DELETE', `${pods}/graceful?gracePeriodSeconds=5`);
    assert.equal(shorter.body.metadata.deletionGracePeriodSeconds, 5);
    assert.equal(
      (await door.ask('DELETE', `${pods}/graceful?gracePeriodSeconds=60`)).body.metadata.deletionGracePeriodSeconds,
      5,
    );
    await door.ask('DELETE', `${pods}/graceful`, { body: { gracePeriodSeconds: 0 } });
    assert.equal((await door.ask('GET', `${pods}/graceful`)).status, 404);
    await door.ask('POST', pods, { body: pod('nowhere') });
    await door.ask('DELETE', `${pods}/nowhere`);
    assert.equal((await door.ask('GET', `${pods}/nowhere`)).status, 404);
  });

  test('status and the rest are written apart, and only the rest counts generations', async () => {
    const { body: made } = await door.ask('POST', deployments, {
      body: { ...deployment('apart'), status: { replicas: 9 } },
    });
    assert.equal(made.metadata.generation, 1);
    assert.equal(made.status.replicas, undefined);
    const both = { spec: { replicas: 5 }, status: { replicas: 7 } };
    const status = (await door.ask('PATCH', `${deployments}/apart/status`, { body: both, headers: merge })).body;
    assert.deepEqual([status.spec.replicas, status.status.replicas, status.metadata.generation], [2, 7, 1]);
    const rest = (
      await door.ask('PATCH', `${deployments}/apart`, {
        body: { spec: { replicas: 5 }, status: { replicas: 8 } },
        headers: merge,
      })
    ).body;
    assert.deepEqual([rest.spec.replicas, rest.status.replicas, rest.metadata.generation], [5, 7, 2]);
    const metadata = { annotations: { note: 'for its ReplicaSets' } };
    const noted = (await door.ask('PATCH', `${deployments}/apart`, { body: { metadata }, headers: merge })).body;
    assert.equal(noted.metadata.generation, 3);
    const told = { metadata: { annotations: { told: 'with the status' } }, status: { replicas: 6 } };
    const annotated = (await door.ask('PATCH', `${deployments}/apart/status`, { body: told, headers: merge })).body;
    assert.deepEqual([annotated.metadata.annotations.told, annotated.status.replicas], ['with the status', 6]);
  });

  test('scale is read, set and patched', async () => {
    await door.ask('POST', deployments, { body: deployment('scaled') });
    const scale = (await door.ask('GET', `${deployments}/scaled/scale`)).body;
    assert.deepEqual([scale.kind, scale.spec.replicas, scale.status.selector], ['Scale', 2, 'a=b']);
    assert.equal(
      (await door.ask('PUT', `${deployments}/scaled/scale`, { body: { ...scale, spec: { replicas: 4 } } })).body.spec
        .replicas,
      4,
    );
    assert.equal(
      (await door.ask('PATCH', `${deployments}/scaled/scale`, { body: { spec: { replicas: 3 } }, headers: merge })).body
        .spec.replicas,
      3,
    );
    assert.equal((await door.ask('GET', `${deployments}/scaled`)).body.spec.replicas, 3);
    const stale = await door.ask('PUT', `${deployments}/scaled/scale`, { body: { ...scale, spec: { replicas: 1 } } });
    assert.equal(stale.status, 409);
  });

  test('a pod is bound once', async () => {
    await door.ask('POST', pods, { body: pod('bound') });
    const bind = (name: string) =>
      door.ask('POST', `${pods}/bound/binding`, {
        body: { metadata: { name: 'bound' }, target: { kind: 'Node', name } },
      });
    assert.equal((await bind('n1')).status, 201);
    assert.equal((await bind('n2')).status, 409);
    const { spec, status } = (await door.ask('GET', `${pods}/bound`)).body;
    assert.equal(spec.nodeName, 'n1');
    assert.equal(status.conditions.find((one: any) => one.type === 'PodScheduled').status, 'True');
  });

  test('an eviction that a budget does not allow is refused with 429 and a time to come back', async () => {
    await door.ask('POST', pods, { body: pod('evicted', { nodeName: 'n' }, { labels: { app: 'e' } }) });
    await door.ask('PATCH', `${pods}/evicted/status`, {
      body: { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
      headers: merge,
    });
    const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
    await door.ask('POST', budgets, {
      body: { metadata: { name: 'e' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'e' } } } },
    });
    const evict = () => door.ask('POST', `${pods}/evicted/eviction`, { body: { metadata: { name: 'evicted' } } });
    const refused = await evict();
    assert.deepEqual(
      [refused.status, refused.body.reason, refused.headers['retry-after']],
      [429, 'TooManyRequests', '10'],
    );
    const status = {
      observedGeneration: 1,
      disruptionsAllowed: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      expectedPods: 2,
    };
    await door.ask('PATCH', `${budgets}/e/status`, { body: { status }, headers: merge });
    assert.equal((await evict()).status, 201);
    const going = (await door.ask('GET', `${pods}/evicted`)).body;
    assert.ok(going.metadata.deletionTimestamp);
    const told = going.status.conditions.find((one: any) => one.type === 'DisruptionTarget');
    assert.deepEqual([told.status, told.reason], ['True', 'EvictionByEvictionAPI']);
    assert.equal((await door.ask('GET', `${budgets}/e`)).body.status.disruptionsAllowed, 0);
  });

  test('a namespace goes with its last finalizer; until then nothing new is made in it', async () => {
    await door.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'leaving' } } });
    const going = await door.ask('DELETE', '/api/v1/namespaces/leaving');
    assert.equal(going.body.status.phase, 'Terminating');
    const refused = await door.ask('POST', '/api/v1/namespaces/leaving/configmaps', { body: configMap('late') });
    assert.equal(refused.status, 403);
    assert.equal(refused.body.details.causes[0].reason, 'NamespaceTerminating');
    const finalized = { ...going.body, spec: { finalizers: [] } };
    assert.equal((await door.ask('PUT', '/api/v1/namespaces/leaving/finalize', { body: finalized })).status, 200);
    assert.equal((await door.ask('GET', '/api/v1/namespaces/leaving')).status, 404);
    assert.equal((await door.ask('DELETE', '/api/v1/namespaces/default')).status, 403);
  });

  test('an update makes the few kinds that it makes', async () => {
    const limits = '/api/v1/namespaces/default/limitranges/made';
    assert.equal(
      (await door.ask('PUT', limits, { body: { metadata: { name: 'made' }, spec: { limits: [] } } })).status,
      201,
    );
    assert.equal((await door.ask('PUT', `${configMaps}/not-made`, { body: configMap('not-made') })).status, 404);
  });
});

describe('Services', () => {
  const services = '/api/v1/namespaces/default/services';
  const service = (name: string, spec: object = {}) => ({
    metadata: { name },
    spec: { ports: [{ port: 80 }], ...spec },
  });

  test('get addresses and node ports of their own, which stay theirs when the server starts again on the same store', async () => {
    await using first = await openDoor();
    const made = (await first.ask('POST', services, { body: service('one', { type: 'NodePort' }) })).body;
    assert.match(made.spec.clusterIP, /^10\.96\./);
    const { nodePort } = made.spec.ports[0];
    assert.ok(nodePort >= 30000 && nodePort <= 32767);
    await using second = await openDoor({ store: first.cluster.store });
    const sameAddress = await second.ask('POST', services, {
      body: service('two', { clusterIP: made.spec.clusterIP }),
    });
    assert.equal(sameAddress.status, 422);
    assert.match(sameAddress.body.message, /provided IP is already allocated/);
    const samePort = await second.ask('POST', services, {
      body: service('two', { type: 'NodePort', ports: [{ port: 80, nodePort }] }),
    });
    assert.match(samePort.body.message, /provided port is already allocated/);
    await second.ask('DELETE', `${services}/one`);
    assert.equal(
      (await second.ask('POST', services, { body: service('two', { clusterIP: made.spec.clusterIP }) })).status,
      201,
    );
  });

  test('what a refused create reserved is free again', async () => {
    await using door = await openDoor();
    const wanted = { type: 'NodePort', clusterIP: '10.96.7.7', ports: [{ port: 80, nodePort: 31000 }] };
    await door.ask('POST', services, { body: service('taken') });
    assert.equal((await door.ask('POST', services, { body: service('taken', wanted) })).status, 409);
    assert.equal((await door.ask('POST', `${services}?dryRun=All`, { body: service('free', wanted) })).status, 201);
    assert.equal((await door.ask('POST', services, { body: service('free', wanted) })).status, 201);
    assert.match(
      (await door.ask('POST', services, { body: service('out', { clusterIP: '10.1.1.1' }) })).body.message,
      /not in the valid range/,
    );
  });
});
