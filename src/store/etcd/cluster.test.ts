/** What only a store that several processes share has to do. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createAuthority, issue } from '../../apiserver/index.ts';
import { systemClock as clock } from '../../machinery/index.ts';
import { CompactedError, type Put, StoreTooLargeError, type Store, type StoreEvent } from '../store.ts';
import { type EtcdClusterOptions, startEtcd, withoutEtcd } from '../testkit/etcd.ts';
import { type EtcdOptions, openEtcdStore } from './index.ts';

const skip = withoutEtcd();
const put = (key: string, value: string): Put => ({ key, value: Buffer.from(value) });
const write = (store: Store, key: string, value: string) => store.txn({ compare: [], writes: [put(key, value)] });

async function start(t: TestContext, options: EtcdClusterOptions = {}) {
  const etcd = await startEtcd(options);
  const stores: Store[] = [];
  t.after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await etcd.stop();
  });
  return {
    member: etcd.members[0]!,
    open: async (more: Partial<EtcdOptions> = {}) => {
      const store = await openEtcdStore({ endpoints: etcd.endpoints, clock, ...more });
      stores.push(store);
      return store;
    },
  };
}

function seen(store: Store): StoreEvent[] {
  const events: StoreEvent[] = [];
  store.watch({ start: '', end: '~', onEvents: (more) => events.push(...more), onEnd: assert.ifError });
  return events;
}

async function until(check: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !check(); await new Promise(setImmediate))
    assert.ok(performance.now() < end, 'not within 10 s');
}

test('two stores over one etcd see the same writes in the same order; attachments stay at home', {
  skip,
}, async (t) => {
  const { open } = await start(t);
  const [one, two] = [await open(), await open()];
  const events = [seen(one), seen(two)];
  const attachment = { object: true };
  await Promise.all([
    ...Array.from({ length: 50 }, (_, i) => write(two, `two/${i}`, 'x')),
    ...Array.from({ length: 50 }, (_, i) => write(one, `one/${i}`, 'x')),
    one.txn({ compare: [], writes: [{ ...put('attached', '1'), attachment }] }),
  ]);
  await until(() => events.every((list) => list.length === 101));
  const order = events.map((list) => list.map(({ revision, key }) => `${revision} ${key}`));
  assert.deepEqual(order[0], order[1]);
  const [here, there] = events.map((list) => list.find(({ key }) => key === 'attached')!.attachment);
  assert.equal(here, attachment);
  assert.equal(there, undefined);
});

test('of writers in two processes that compare with the same revision one wins', { skip }, async (t) => {
  const { open } = await start(t);
  const stores = [await open(), await open()];
  for (let round = 0; round < 20; round++) {
    const modRevision = (await stores[0]!.get('k'))?.modRevision ?? 0;
    const attempt = (store: Store) =>
      store.txn({ compare: [{ key: 'k', modRevision }], writes: [put('k', `${round}`)] });
    const results = await Promise.all([...stores, ...stores].map(attempt));
    assert.equal(results.filter(({ ok }) => ok).length, 1, `round ${round}`);
  }
});

test('transactions that share a key keep their order while others overtake them', { skip }, async (t) => {
  const { open } = await start(t);
  const store = await open();
  const results = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      write(store, `k${i % 5}`, String(i)).then(({ revision }) => [i % 5, revision]),
    ),
  );
  for (let key = 0; key < 5; key++) {
    const revisions = results.filter(([of]) => of === key).map(([, revision]) => revision!);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    assert.equal(String((await store.get(`k${key}`))!.value), String(195 + key));
  }
});

test('a prefix keeps stores apart, and the revisions are shared', { skip }, async (t) => {
  const { open } = await start(t);
  const [one, two] = [await open({ prefix: '/one' }), await open({ prefix: '/two' })];
  const events = seen(two);
  await write(one, 'a', '1');
  await write(two, 'a', '2');
  assert.equal(String((await one.get('a'))!.value), '1');
  assert.deepEqual(
    events.map(({ key, revision }) => [key, revision]),
    [['a', 3]],
  );
});

test('a compaction by another process is reported', { skip }, async (t) => {
  const { open } = await start(t);
  const [one, two] = [await open(), await open()];
  for (const value of ['1', '2', '3', '4']) await write(one, 'a', value);
  await until(() => two.revision === 5);
  await one.compact(4);
  await assert.rejects(two.range({ start: 'a', end: 'b', revision: 2 }), CompactedError);
  const ended = await new Promise<Error | undefined>((onEnd) => {
    two.watch({ start: 'a', end: 'b', fromRevision: 2, onEvents: () => {}, onEnd });
  });
  assert.ok(ended instanceof CompactedError);
  assert.equal((await open()).compactedRevision, 4);
});

test('a member that is killed and comes back is waited for; nothing is missed meanwhile', { skip }, async (t) => {
  const { open, member } = await start(t);
  const store = await open();
  const events = seen(store);
  await write(store, 'a', '1');
  await member.kill();
  const waiting = Promise.all([write(store, 'a', '2'), store.get('a')]);
  member.restart();
  const [result] = await waiting;
  assert.ok(result.ok);
  assert.equal(String((await store.get('a'))!.value), '2');
  assert.equal(String(events.at(-1)!.value), '2');
});

test('what is too large for etcd is refused as such', { skip }, async (t) => {
  const { open } = await start(t);
  const store = await open();
  await assert.rejects(store.txn({ compare: [], writes: [put('a', 'x'.repeat(4 << 20))] }), StoreTooLargeError);
  assert.equal(await store.get('a'), undefined);
});

test('members that ask for a client certificate are shown one', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glasshouse-etcd-tls-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const authority = createAuthority('etcd authority', clock.now());
  const valid = { notBefore: clock.now() - 60_000, notAfter: clock.now() + 3600_000 };
  const server = issue(authority, { commonName: 'etcd', hosts: ['127.0.0.1'], uses: ['server', 'client'], ...valid });
  const user = issue(authority, { commonName: 'glasshouse', uses: ['client'], ...valid });
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const ca = file('ca.pem', authority.certificate);
  const flags = ['--client-cert-auth', '--trusted-ca-file', ca];
  flags.push('--cert-file', file('server.pem', server.certificate), '--key-file', file('server.key', server.key));
  const { open } = await start(t, { scheme: 'https', flags });
  const store = await open({ tls: { ca: authority.certificate, certificate: user.certificate, key: user.key } });
  assert.ok((await write(store, 'a', '1')).ok);
});
