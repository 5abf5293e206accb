import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pods } from '../api/index.ts';
import { parseSelector, seededRandom, StatusError } from '../machinery/index.ts';
import { Informer, type InformerSelection } from './informer.ts';
import { settle, VirtualClock } from './testkit/clock.ts';
import { StubServer } from './testkit/server.ts';

const pod = (name: string, more: object = {}) => ({
  metadata: { namespace: 'ns', name, ...more },
  spec: { containers: [] },
});

async function start(
  t: TestContext,
  { server = new StubServer(), selection = {} as InformerSelection, clock = new VirtualClock() } = {},
) {
  const stop = new AbortController();
  const informer = new Informer({
    client: server.client(),
    resource: pods,
    clock,
    random: seededRandom(1),
    ...selection,
  });
  const seen: string[] = [];
  const name = (object: { metadata: { name?: string; resourceVersion?: string } }) => object.metadata.name;
  informer.addHandler({
    onAdd: (object, initial) => seen.push(`${initial ? 'initial' : 'add'} ${name(object)}`),
    onUpdate: (old, object) =>
      seen.push(
        `update ${name(object)} ${Number(object.metadata.resourceVersion) > Number(old.metadata.resourceVersion)}`,
      ),
    onDelete: (object) => seen.push(`delete ${name(object)}`),
  });
  const running = informer.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  await settle();
  return { server, clock, informer, seen, stop };
}

test('it lists what is there and follows what comes', async (t) => {
  const server = new StubServer();
  server.put(pods, pod('a'));
  const { informer, seen } = await start(t, { server });
  await informer.synced();
  server.put(pods, pod('b'));
  server.put(pods, pod('a'));
  server.remove(pods, { namespace: 'ns', name: 'b' });
  await settle();
  assert.deepEqual(seen, ['initial a', 'add b', 'update a true', 'delete b']);
  assert.deepEqual(
    informer.lister.list().map((each) => each.metadata.name),
    ['a'],
  );
});

test('a watch that ends is resumed where it was, without listing again', async (t) => {
  const { server, clock, seen } = await start(t);
  server.put(pods, pod('a'));
  await settle();
  server.cut();
  server.put(pods, pod('b'));
  await clock.advance(5_000);
  assert.deepEqual(seen, ['add a', 'add b']);
  assert.equal(server.calls.list, 1);
});

test('bookmarks move the place to resume from, so that an old place does not cost a list', async (t) => {
  const { server, clock } = await start(t);
  server.bookmark(pods);
  await settle();
  server.compact();
  server.cut();
  await clock.advance(5_000);
  assert.equal(server.calls.list, 1);
  assert.ok(server.calls.watch! >= 2);
});

test('a place that the server forgot is a new list, and handlers hear of the difference', async (t) => {
  const { server, clock, informer, seen } = await start(t);
  for (const name of ['stays', 'changes', 'goes', 'again']) server.put(pods, pod(name));
  await clock.advance(2_000);
  server.hold(pods);
  seen.length = 0;
  server.put(pods, pod('changes'));
  server.put(pods, pod('new'));
  server.remove(pods, { namespace: 'ns', name: 'goes' });
  server.remove(pods, { namespace: 'ns', name: 'again' });
  server.put(pods, pod('again'));
  server.compact();
  server.cut();
  await clock.advance(5_000);
  assert.deepEqual(seen.toSorted(), ['add again', 'add new', 'delete again', 'delete goes', 'update changes true']);
  assert.equal(server.calls.list, 2);
  assert.deepEqual(
    informer.lister
      .list()
      .map((each) => each.metadata.name)
      .toSorted(),
    ['again', 'changes', 'new', 'stays'],
  );
});

test('failures are retried with growing pauses, and it catches up', async (t) => {
  const server = new StubServer();
  const at: number[] = [];
  const clock = new VirtualClock();
  let failing = true;
  server.before = (verb) => {
    if (verb !== 'list') return;
    at.push(clock.now());
    if (failing) throw StatusError.serviceUnavailable('not yet');
  };
  const started = await start(t, { server, clock });
  await clock.advance(60_000);
  const pauses = at.slice(2).map((time, i) => time - at[i + 1]!);
  assert.ok(pauses.length >= 3 && pauses.length <= 8, `${pauses.length} tries`);
  assert.ok(pauses[1]! > pauses[0]! && pauses.at(-1)! <= 60_000, `${pauses}`);
  assert.equal(started.informer.isSynced, false);
  failing = false;
  server.put(pods, pod('a'));
  await clock.advance(61_000);
  await started.informer.synced();
  assert.deepEqual(started.seen, ['initial a']);
});

test('a server that ends every watch at once is not hammered', async (t) => {
  const server = new StubServer();
  server.before = (verb) => {
    if (verb === 'watch') queueMicrotask(() => server.cut());
  };
  const { clock } = await start(t, { server });
  await clock.advance(60_000);
  assert.ok(server.calls.watch! < 15, `${server.calls.watch} watches in a minute`);
});

test('a late handler is told what is there; a removed one nothing', async (t) => {
  const { server, informer } = await start(t);
  server.put(pods, pod('a'));
  await settle();
  const late: string[] = [];
  const remove = informer.addHandler({ onAdd: (object, initial) => late.push(`${initial} ${object.metadata.name}`) });
  server.put(pods, pod('b'));
  await settle();
  remove();
  server.put(pods, pod('c'));
  await settle();
  assert.deepEqual(late, ['true a', 'false b']);
});

test('lookups: namespace, labels, owner, and any index, kept up to date', async (t) => {
  const { server, informer } = await start(t);
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid', controller: true };
  const onNode = (name: string, nodeName: string) => ({ ...pod(name), spec: { containers: [], nodeName } });
  server.put(pods, onNode('a', 'n1'));
  server.put(pods, {
    ...onNode('b', 'n1'),
    metadata: { namespace: 'ns', name: 'b', labels: { app: 'x' }, ownerReferences: [owner] },
  });
  server.put(pods, { metadata: { namespace: 'other', name: 'c', labels: { app: 'x' } }, spec: { containers: [] } });
  await settle();
  const names = (found: readonly { metadata: { name?: string } }[]) =>
    found.map((each) => each.metadata.name).toSorted();
  const byNode = informer.indexBy('node', (each) => (each.spec?.nodeName ? [each.spec.nodeName] : []));
  assert.deepEqual(names(informer.lister.list({ namespace: 'ns' })), ['a', 'b']);
  assert.deepEqual(names(informer.lister.list({ selector: parseSelector('app=x') })), ['b', 'c']);
  assert.deepEqual(names(informer.lister.list({ namespace: 'ns', selector: parseSelector('app=x') })), ['b']);
  assert.deepEqual(names(informer.lister.controlledBy('rs-uid')), ['b']);
  assert.deepEqual(names(byNode('n1')), ['a', 'b']);
  server.put(pods, onNode('a', 'n2'));
  server.remove(pods, { namespace: 'ns', name: 'b' });
  await settle();
  assert.deepEqual([names(byNode('n1')), names(byNode('n2'))], [[], ['a']]);
  assert.deepEqual(names(informer.lister.controlledBy('rs-uid')), []);
});

test('what this process wrote is seen before the watch brings it, and heard of once', async (t) => {
  const { server, informer, seen } = await start(t);
  server.hold(pods);
  const written = server.put(pods, pod('a'));
  informer.observe(written as never);
  assert.equal(informer.lister.get('ns/a')?.metadata.uid, written.metadata.uid);
  const deleted = server.put(pods, pod('b'));
  informer.observe(deleted as never);
  server.put(pods, pod('b'));
  server.remove(pods, { namespace: 'ns', name: 'b' });
  informer.observeDeleted('ns/b', deleted.metadata.uid!);
  server.release();
  await settle();
  assert.deepEqual(seen, ['add a', 'add b', 'delete b']);
});

test('an answer that comes after the watch has moved on brings nothing back', async (t) => {
  const { server, informer, seen } = await start(t);
  const written = server.put(pods, pod('a'));
  server.remove(pods, { namespace: 'ns', name: 'a' });
  await settle();
  informer.observe(written as never);
  assert.equal(informer.lister.size, 0);
  assert.deepEqual(seen, ['add a', 'delete a']);
});
