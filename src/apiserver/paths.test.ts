import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { eventually } from '../../test/testkit/glass.ts';
import { configMap, defaultAccount, type Door, openDoor, pod } from './testkit/index.ts';

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

describe('what the server publishes', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
  });
  after(() => door[Symbol.asyncDispose]());

  test('discovery tells the same plainly and aggregated', async () => {
    const groups = (await door.ask('GET', '/apis')).body.groups as any[];
    const all = (await door.ask('GET', '/apis', { headers: { accept: aggregated } })).body.items as any[];
    assert.deepEqual(
      all.map((one) => one.metadata.name),
      groups.map((one) => one.name),
    );
    const plain = (await door.ask('GET', '/apis/apps/v1')).body.resources
      .map((one: any) => one.name)
      .filter((name: string) => !name.includes('/'));
    const apps = all.find((one) => one.metadata.name === 'apps').versions[0];
    assert.deepEqual(
      apps.resources.map((one: any) => one.resource),
      plain,
    );
    const pods = (await door.ask('GET', '/api/v1')).body.resources;
    assert.deepEqual(pods.find((one: any) => one.name === 'pods').shortNames, ['po']);
    assert.equal(pods.find((one: any) => one.name === 'pods/eviction').kind, 'Eviction');
  });

  test('aggregated discovery is sent again only when it changed', async () => {
    const first = await door.ask('GET', '/apis', { headers: { accept: aggregated } });
    const again = await door.ask('GET', '/apis', {
      headers: { accept: aggregated, 'if-none-match': first.headers.etag! },
    });
    assert.deepEqual([again.status, again.text], [304, '']);
  });

  test('every reference in OpenAPI leads somewhere', async () => {
    const v2 = (await door.ask('GET', '/openapi/v2')).body;
    for (const [, name] of JSON.stringify(v2).matchAll(/"#\/definitions\/([^"]+)"/g))
      assert.ok(v2.definitions[name!], name);
    const { paths } = (await door.ask('GET', '/openapi/v3')).body;
    assert.ok(Object.keys(paths).length > 20);
    for (const { serverRelativeURL } of Object.values<any>(paths)) {
      const { text, body } = await door.ask('GET', serverRelativeURL);
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
        assert.ok(body.components.schemas[name!], name);
    }
  });

  test('OpenAPI v2 in a form that is not made gets 406', async () => {
    const accept = 'application/cbor';
    assert.equal((await door.ask('GET', '/openapi/v2', { headers: { accept } })).status, 406);
  });

  test('OpenAPI v2 comes as protobuf to those who ask for that, as Go clients do', async () => {
    const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
    const { status, headers, text } = await door.ask('GET', '/openapi/v2', { headers: { accept } });
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
    assert.match(text, /^\n.2\.0/, 'field 1 of the document is the version');
    assert.match(text, /io\.k8s\.api\.core\.v1\.PodSpec/);
  });

  test('discovery tells which version a resource is stored in, as upstream hashes it', async () => {
    const { resources } = (await door.ask('GET', '/api/v1')).body;
    const hashOf = (name: string) => resources.find((one: any) => one.name === name).storageVersionHash;
    assert.equal(hashOf('configmaps'), 'qFsyl6wFWjQ=');
    assert.equal(hashOf('bindings'), undefined);
  });

  test('lists and objects come as tables, with the columns of their kind', async () => {
    await door.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('shown') });
    const { body } = await door.ask('GET', '/api/v1/namespaces/default/pods', { headers: { accept: table } });
    assert.equal(body.kind, 'Table');
    const columns = body.columnDefinitions.map((one: any) => one.name);
    assert.deepEqual(columns.slice(0, 5), ['Name', 'Ready', 'Status', 'Restarts', 'Age']);
    assert.deepEqual(body.rows[0].cells.slice(0, 4), ['shown', '0/1', 'Pending', '0']);
    assert.equal(body.rows[0].object.kind, 'PartialObjectMetadata');
  });

  test('JSON has a line for each field for those who ask, and for programs that show it to people', async () => {
    const curl = { 'user-agent': 'curl/8.0' };
    assert.match((await door.ask('GET', '/api/v1/namespaces/default', { headers: curl })).text, /^\{\n {2}"kind"/);
    assert.match((await door.ask('GET', '/version?pretty=true')).text, /\n {2}"major": "1"/);
    assert.match((await door.ask('GET', '/version?pretty=false', { headers: curl })).text, /"major":"1"/);
  });

  test('metadata alone and YAML are given to those who ask for them', async () => {
    await door.ask('POST', '/api/v1/namespaces/default/configmaps', { body: configMap('meta', { x: '1' }) });
    const path = '/api/v1/namespaces/default/configmaps';
    const partial = await door.ask('GET', path, {
      headers: { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' },
    });
    assert.equal(partial.body.kind, 'PartialObjectMetadataList');
    assert.equal(partial.body.items[0].data, undefined);
    const yaml = await door.ask('GET', `${path}/meta`, { headers: { accept: 'application/yaml' } });
    assert.match(yaml.text, /^kind: ConfigMap$/m);
  });

  test('health is told check by check', async () => {
    assert.equal((await door.ask('GET', '/livez')).text, 'ok');
    assert.match(
      (await door.ask('GET', '/readyz?verbose')).text,
      /^\[\+\]ping ok\n\[\+\]store ok\nreadyz check passed\n$/,
    );
    assert.equal((await door.ask('GET', '/readyz/store')).status, 200);
    assert.equal((await door.ask('GET', '/readyz/nothing')).status, 404);
  });

  test('metrics are told under upstream names, in a form that a strict reader takes', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const before = parseExposition((await door.ask('GET', '/metrics')).text);
    await door.ask('POST', `${path}?dryRun=All`, { body: configMap('counted') });
    await door.ask('PATCH', `${path}/counted?fieldManager=me`, {
      body: configMap('counted'),
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
    await door.ask('GET', path);
    await door.ask('GET', '/api/v1/configmaps/none/made-up');
    await door.ask('GET', '/apis/made.up/v1/things');
    const watch = await door.watch(`${path}?watch=1`);
    assert.equal((await watch.next())?.type, 'ADDED');
    const { text, headers } = await door.ask('GET', '/metrics');
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    const told = parseExposition(text);
    const shape = { group: '', version: 'v1', resource: 'configmaps', subresource: '', component: 'apiserver' };
    const requests = (labels: Record<string, string>) =>
      valueOf(told, 'apiserver_request_total', { ...shape, ...labels });
    assert.equal(requests({ verb: 'POST', dry_run: 'All', scope: 'resource', code: '201' }), 1);
    assert.equal(requests({ verb: 'APPLY', dry_run: '', scope: 'resource', code: '201' }), 1);
    const listed = { verb: 'LIST', scope: 'namespace' };
    for (const name of ['apiserver_request_duration_seconds_count', 'apiserver_request_sli_duration_seconds_count']) {
      const counted = (of: typeof told) => valueOf(of, name, { ...shape, ...listed }) ?? 0;
      assert.equal(counted(told) - counted(before), 1);
    }
    assert.ok(valueOf(told, 'apiserver_response_sizes_sum', { ...shape, ...listed })! > 100);
    const watched = { group: '', version: 'v1', resource: 'configmaps' };
    assert.equal(valueOf(told, 'apiserver_longrunning_requests', { ...watched, verb: 'WATCH' }), 1);
    assert.ok(valueOf(told, 'apiserver_watch_events_total', watched)! >= 1);
    assert.ok(valueOf(told, 'apiserver_watch_events_sizes_sum', watched)! > 100);
    assert.equal(valueOf(told, 'apiserver_current_inflight_requests', { request_kind: 'readOnly' }), 1);
    assert.ok(valueOf(told, 'apiserver_storage_objects', { resource: 'configmaps' })! >= 1);
    assert.ok(valueOf(told, 'process_resident_memory_bytes')! > 1e6);
    const step = { name: 'LimitRanger', type: 'admit', operation: 'CREATE', rejected: 'false' };
    assert.ok(valueOf(told, 'apiserver_admission_controller_admission_duration_seconds_count', step)! >= 1);
    assert.ok(valueOf(told, 'authentication_attempts', { result: 'success' })! > 5);
    assert.ok(valueOf(told, 'authorization_attempts_total', { result: 'allowed' })! > 5);
    assert.ok(!text.includes('made'), 'nobody makes names up here');
    watch.close();
    await eventually(async () => {
      const later = parseExposition((await door.ask('GET', '/metrics')).text);
      return (
        valueOf(later, 'apiserver_longrunning_requests', { ...watched, verb: 'WATCH' }) === 0 &&
        valueOf(later, 'apiserver_request_total', { ...shape, verb: 'WATCH' }) === 1
      );
    });
  });

  test('when a revision became durable is told for as long as it is known', async () => {
    const made = await door.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'timed' } } });
    const revision = made.body.metadata.resourceVersion;
    const { body } = await door.ask('GET', `/debug/revisions?revision=${revision}&revision=999999`);
    assert.deepEqual(body, { times: { [revision]: new Date(door.cluster.clock.now()).toISOString() } });
    const wrong = await door.ask('GET', '/debug/revisions?revision=newest');
    assert.deepEqual([wrong.status, wrong.body.message], [400, 'revision: "newest" is not a resource version']);
  });

  test('version and keys', async () => {
    const { body } = await door.ask('GET', '/version');
    assert.deepEqual([body.major, body.minor], ['1', '36']);
    const { keys } = (await door.ask('GET', '/openid/v1/jwks')).body;
    assert.deepEqual([keys[0].kty, keys[0].crv, keys[0].d], ['EC', 'P-256', undefined]);
  });
});
