import assert from 'node:assert/strict';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { secrets } from '../../api/index.ts';
import { MetricSet, seededRandom, systemClock as clock, WireReader, WireWriter } from '../../machinery/index.ts';
import { parseExposition, valueOf } from '../../machinery/testkit/exposition.ts';
import { memoryStore, type Put, type Store } from '../../store/index.ts';
import { storeSuite } from '../../store/store.suite.ts';
import { startCluster } from '../../testing/index.ts';
import { encryptedStore } from './index.ts';

const random = seededRandom(1);
const key = (name: string, byte: number) => ({ name, secret: Buffer.alloc(32, byte).toString('base64') });
const file = (resources: string[], ...providers: unknown[]) => ({
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'EncryptionConfiguration',
  resources: [{ resources, providers }],
});
const gcm = (...keys: unknown[]) => ({ aesgcm: { keys } });
const open = (store: Store, configuration: unknown) => encryptedStore({ store, configuration, clock, random });
const place = '/registry/core/secrets/default/';
const put = (name: string, value: string): Put => ({ key: place + name, value: Buffer.from(value) });
const write = (store: Store, name: string, value: string) => store.txn({ compare: [], writes: [put(name, value)] });
const stored = async (store: Store, name: string) => String((await store.get(place + name))?.value);

// every key is of a resource that is encrypted
storeSuite('encrypted', async () => open(memoryStore(), file(['*.*'], gcm(key('a', 1)))), 20);

for (const [name, provider, prefix] of [
  ['aesgcm', gcm(key('a', 1)), 'k8s:enc:aesgcm:v1:a:'],
  ['aescbc', { aescbc: { keys: [key('a', 1)] } }, 'k8s:enc:aescbc:v1:a:'],
] as const)
  test(`${name}: what is stored shows nothing, and is bound to its key's place`, async () => {
    const inner = memoryStore();
    const store = await open(inner, file(['secrets'], provider));
    await write(store, 's', 'hunter2');
    await store.txn({
      compare: [],
      writes: [{ key: '/registry/core/configmaps/default/c', value: Buffer.from('plain') }],
    });
    assert.ok((await stored(inner, 's')).startsWith(prefix));
    assert.ok(!(await stored(inner, 's')).includes('hunter2'));
    assert.equal(String((await inner.get('/registry/core/configmaps/default/c'))!.value), 'plain');
    assert.equal(await stored(store, 's'), 'hunter2');
    const again = await open(inner, file(['secrets'], provider));
    const { entries } = await again.range({ start: place, end: `${place}~` });
    assert.equal(String(entries[0]!.value), 'hunter2');
    if (name === 'aescbc') return;
    const { value } = (await inner.get(`${place}s`))!;
    await inner.txn({ compare: [], writes: [{ key: `${place}moved`, value }] });
    await assert.rejects(store.get(`${place}moved`), /moved cannot be decrypted/);
  });

test('what is encrypted and decrypted is counted, by whom and of what', async () => {
  const metrics = new MetricSet();
  const inner = memoryStore();
  const configuration = file(['secrets'], gcm(key('a', 1)));
  const store = await encryptedStore({ store: inner, configuration, clock, random, metrics });
  await write(store, 's', 'one');
  await stored(store, 's');
  await inner.txn({ compare: [], writes: [{ key: `${place}broken`, value: Buffer.from('k8s:enc:aesgcm:v1:a:xxx') }] });
  await assert.rejects(store.get(`${place}broken`));
  const operations = (transformation_type: string, status: string) =>
    valueOf(parseExposition(metrics.text()), 'apiserver_storage_transformation_operations_total', {
      resource: 'secrets',
      transformation_type,
      transformer_prefix: 'k8s:enc:aesgcm:v1:',
      status,
    });
  assert.deepEqual(
    [operations('to_storage', 'OK'), operations('from_storage', 'OK'), operations('from_storage', 'Unknown')],
    [1, 1, 1],
  );
});

test('keys are exchanged one after the other, and what an older one wrote is known', async () => {
  const inner = memoryStore();
  const first = await open(inner, file(['secrets'], gcm(key('old', 1)), { identity: {} }));
  await write(inner, 'clear', 'before encryption');
  await write(first, 's', 'one');
  assert.equal(await stored(first, 'clear'), 'before encryption');
  assert.ok(first.stale!(`${place}clear`) && !first.stale!(`${place}s`));
  first.reload(file(['secrets'], gcm(key('new', 2), key('old', 1)), { identity: {} }));
  assert.equal(await stored(first, 's'), 'one');
  assert.ok(first.stale!(`${place}s`));
  await write(first, 's', 'one');
  assert.ok(!first.stale!(`${place}s`));
  assert.match(await stored(inner, 's'), /^k8s:enc:aesgcm:v1:new:/);
  const without = await open(inner, file(['secrets'], { identity: {} }));
  await assert.rejects(without.get(`${place}s`), /add the provider or key that wrote it/);
});

test('an update that changes nothing writes what an older key wrote, once', async () => {
  const store = await open(memoryStore(), file(['secrets'], gcm(key('old', 1))));
  await using cluster = await startCluster({ store, controllers: false, scheduler: false });
  const made = await cluster.client.create(secrets, { metadata: { name: 's', namespace: 'default' } });
  const same = await cluster.client.update(secrets, made);
  assert.equal(same.metadata!.resourceVersion, made.metadata!.resourceVersion);
  store.reload(file(['secrets'], gcm(key('new', 2), key('old', 1))));
  const written = await cluster.client.update(secrets, same);
  assert.notEqual(written.metadata!.resourceVersion, made.metadata!.resourceVersion);
  const still = await cluster.client.update(secrets, written);
  assert.equal(still.metadata!.resourceVersion, written.metadata!.resourceVersion);
});

for (const [names, group, resource, wanted] of [
  [['secrets'], 'core', 'secrets', true],
  [['secrets'], 'example.com', 'secrets', false],
  [['*.'], 'core', 'configmaps', true],
  [['*.apps'], 'apps', 'deployments', true],
  [['*.apps'], 'core', 'pods', false],
  [['widgets.example.com'], 'example.com', 'widgets', true],
  [['*.*'], 'apps', 'deployments', true],
] as const)
  test(`${names} ${wanted ? 'covers' : 'does not cover'} ${resource} of ${group}`, async () => {
    const inner = memoryStore();
    const store = await open(inner, file([...names], gcm(key('a', 1))));
    const at = `/registry/${group}/${resource}/x/y`;
    await store.txn({ compare: [], writes: [{ key: at, value: Buffer.from('v') }] });
    assert.equal(String((await inner.get(at))!.value).startsWith('k8s:enc:'), wanted);
  });

for (const [configuration, wanted] of [
  [{}, /an EncryptionConfiguration/],
  [file(['secrets']), /providers: at least one/],
  [file(['*'], { identity: {} }), /"\*\." for the core group/],
  [file(['secrets'], gcm({ name: 'a', secret: 'AAAA' })), /secret: it has 3 bytes; 16, 24, 32/],
  [file(['secrets'], gcm({ name: 'a:b', secret: 'AAAA' })), /a name without ":"/],
  [file(['secrets'], { rot13: {} }), /rot13: it is not supported/],
  [file(['secrets'], { kms: { apiVersion: 'v1', name: 'k', endpoint: 'unix:///x' } }), /apiVersion: "v1"/],
  [file(['secrets'], { kms: { apiVersion: 'v2', name: 'k', endpoint: 'http://x' } }), /endpoint: .*unix/],
] as const)
  test(`the configuration ${JSON.stringify(configuration).slice(0, 150)} is refused`, () =>
    assert.rejects(open(memoryStore(), configuration), wanted));

/** A key service: "encrypts" with a mask, and counts. */
async function keyService(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'glasshouse-kms-'));
  const state = { keyId: 'k1', healthz: 'ok', asked: { Status: 0, Encrypt: 0, Decrypt: 0 } };
  const mask = (bytes: Uint8Array) => Buffer.from(bytes).map((byte) => byte ^ 0x5a);
  const first = (bytes: Buffer) => {
    const reader = new WireReader(bytes);
    reader.next();
    return reader.bytes();
  };
  const answers = {
    Status: () =>
      new WireWriter()
        .bytes(1, Buffer.from('v2'))
        .bytes(2, Buffer.from(state.healthz))
        .bytes(3, Buffer.from(state.keyId)),
    Encrypt: (bytes: Buffer) => new WireWriter().bytes(1, mask(first(bytes))).bytes(2, Buffer.from(state.keyId)),
    Decrypt: (bytes: Buffer) => new WireWriter().bytes(1, mask(first(bytes))),
  };
  const same = (bytes: Buffer) => bytes;
  const server = new Server();
  for (const [name, answer] of Object.entries(answers)) {
    const method = { path: `/v2.KeyManagementService/${name}`, requestStream: false, responseStream: false };
    const codec = {
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    server.addService({ [name]: { ...method, ...codec } } as never, {
      [name]: (call: any, done: any) => {
        state.asked[name as 'Status']++;
        done(null, answer(call.request).done());
      },
    });
  }
  const socket = join(directory, 'kms.sock');
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  t.after(() => {
    server.forceShutdown();
    rmSync(directory, { recursive: true, force: true });
  });
  return { state, server, provider: { kms: { apiVersion: 'v2', name: 'vault', endpoint: `unix://${socket}` } } };
}

test('a key service is asked for one seed for many values, and to read what another process wrote', async (t) => {
  const { state, provider } = await keyService(t);
  const inner = memoryStore();
  const store = await open(inner, file(['secrets'], provider));
  const other = await open(inner, file(['secrets'], provider));
  const seen: string[] = [];
  other.watch({
    start: place,
    end: `${place}~`,
    onEvents: (events) => seen.push(...events.map(({ value }) => String(value))),
    onEnd: assert.ifError,
  });
  for (const name of ['a', 'b', 'c']) await write(store, name, `secret ${name}`);
  assert.deepEqual(state.asked, { Status: 1, Encrypt: 1, Decrypt: state.asked.Decrypt });
  assert.ok((await stored(inner, 'a')).startsWith('k8s:enc:kms:v2:vault:'));
  assert.equal(await stored(other, 'b'), 'secret b');
  // a write by the other is answered after its watch has brought what came before
  await write(other, 'd', 'secret d');
  assert.deepEqual(seen, ['secret a', 'secret b', 'secret c', 'secret d']);
  assert.equal(store.problem(), undefined);
  await Promise.all([store.close(), other.close()]);
});

test('without a healthy key service nothing is written in the clear', async (t) => {
  const { state, provider } = await keyService(t);
  state.healthz = 'sealed';
  const inner = memoryStore();
  const store = await open(inner, file(['secrets'], provider));
  await assert.rejects(write(store, 'a', 'secret'), /kms vault: it says that it is not well: sealed/);
  assert.equal(await inner.get(`${place}a`), undefined);
  assert.match(store.problem()!, /sealed/);
  await store.close();
});
