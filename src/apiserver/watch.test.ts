import type { IncomingMessage } from 'node:http';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VirtualClock } from '../testing/index.ts';
import { configMap, openDoor, type WatchReader } from './testkit/index.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const shown = async (watch: WatchReader) => {
  const event = await watch.next();
  return event && `${event.type} ${event.object.metadata?.name ?? ''}`;
};
const merge = { 'content-type': 'application/merge-patch+json' };

test('a watch from a revision sees all that came after it, once and in order', async () => {
  await using door = await openDoor();
  const { body } = await door.ask('POST', configMaps, { body: configMap('a') });
  await door.ask('POST', configMaps, { body: configMap('b') });
  const watch = await door.watch(`${configMaps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
  assert.equal(await shown(watch), 'ADDED b');
  await door.ask('PATCH', `${configMaps}/b`, { body: { data: { x: '1' } }, headers: merge });
  assert.equal(await shown(watch), 'MODIFIED b');
  const deleted = await door.ask('DELETE', `${configMaps}/a`);
  assert.equal(deleted.status, 200);
  const last = await watch.next();
  assert.equal(last!.type, 'DELETED');
  assert.ok(Number(last!.object.metadata.resourceVersion) > Number(body.metadata.resourceVersion));
  watch.close();
});

test('a watch without a revision begins with what there is', async () => {
  await using door = await openDoor();
  await door.ask('POST', configMaps, { body: configMap('a') });
  const watch = await door.watch(`${configMaps}?watch=1`);
  assert.equal(await shown(watch), 'ADDED a');
  watch.close();
});

test('sendInitialEvents ends what there is with a bookmark that says so', async () => {
  await using door = await openDoor();
  await door.ask('POST', configMaps, { body: configMap('a') });
  const watch = await door.watch(
    `${configMaps}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  );
  assert.equal(await shown(watch), 'ADDED a');
  const bookmark = await watch.next();
  assert.equal(bookmark!.type, 'BOOKMARK');
  assert.deepEqual(bookmark!.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
  watch.close();
});

test('to a selecting watch an object that begins to match is added, one that ceases is deleted as it was', async () => {
  await using door = await openDoor();
  const watch = await door.watch(`${configMaps}?watch=1&labelSelector=on%3Dy`);
  await door.ask('POST', configMaps, { body: configMap('a') });
  const label = (on: string | null, data = {}) =>
    door.ask('PATCH', `${configMaps}/a`, { body: { metadata: { labels: { on } }, data }, headers: merge });
  await label('y', { x: '1' });
  assert.equal(await shown(watch), 'ADDED a');
  await label('y', { x: '2' });
  assert.equal(await shown(watch), 'MODIFIED a');
  const { body } = await label(null, { x: '3' });
  const gone = await watch.next();
  assert.equal(gone!.type, 'DELETED');
  assert.deepEqual([gone!.object.data, gone!.object.metadata.labels], [{ x: '2' }, { on: 'y' }]);
  assert.equal(gone!.object.metadata.resourceVersion, body.metadata.resourceVersion);
  watch.close();
});

test('bookmarks come by themselves, and a watch ends when its time is up', async () => {
  await using door = await openDoor();
  const clock = door.cluster.clock as VirtualClock;
  const watch = await door.watch(`${configMaps}?watch=1&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=90`);
  const before = door.cluster.store.revision;
  await clock.advance(61_000);
  const bookmark = await watch.next();
  assert.deepEqual([bookmark!.type, bookmark!.object.kind], ['BOOKMARK', 'ConfigMap']);
  const revision = Number(bookmark!.object.metadata.resourceVersion);
  assert.ok(revision > before && revision <= door.cluster.store.revision, `${before} < ${revision}`);
  await clock.advance(30_000);
  assert.equal(await watch.next(), undefined);
});

test('a watch of one name sees nothing else', async () => {
  await using door = await openDoor();
  const watch = await door.watch(`${configMaps}?watch=1&fieldSelector=metadata.name%3Db`);
  await door.ask('POST', configMaps, { body: configMap('a') });
  await door.ask('POST', configMaps, { body: configMap('b') });
  assert.equal(await shown(watch), 'ADDED b');
  watch.close();
});

test('closing the server ends its watches', async () => {
  const door = await openDoor();
  const watch = await door.watch(`${configMaps}?watch=1`);
  await door[Symbol.asyncDispose]();
  assert.equal(await watch.next(), undefined);
});

test('a thousand watches each see an event, and are forgotten when they close', async () => {
  await using door = await openDoor();
  const watches = await Promise.all(
    Array.from({ length: 1000 }, () =>
      door.cluster.apiserver.local({ name: 'w', groups: ['system:masters'] }, 'w'),
    ).map(async (server) => {
      const events: string[] = [];
      const options = { resourceVersion: String(door.cluster.store.revision) };
      const resource = { group: '', version: 'v1', resource: 'configmaps' };
      const watch = await server.watch(
        { verb: 'watch', resource, namespace: 'default', options },
        (batch) => void events.push(...batch.map((one) => one.type)),
        () => {},
      );
      return { events, close: () => watch.close() };
    }),
  );
  await door.ask('POST', configMaps, { body: configMap('a') });
  for (const { events } of watches) assert.deepEqual(events, ['ADDED']);
  for (const watch of watches) watch.close();
  await door.ask('POST', configMaps, { body: configMap('b') });
  for (const { events } of watches) assert.deepEqual(events, ['ADDED']);
});

test('a reader that does not read is cut off; others go on', async () => {
  await using door = await openDoor();
  const idle = await new Promise<IncomingMessage>((resolve) => {
    void import('node:https').then(({ get }) =>
      get({ ...door.tls, agent: false, path: `${configMaps}?watch=1` }, resolve),
    );
  });
  idle.pause();
  const cut = new Promise<void>((resolve) => idle.once('close', () => resolve()));
  idle.on('error', () => {});
  const filler = 'y'.repeat(900_000);
  await door.ask('POST', configMaps, { body: configMap('big') });
  for (let i = 0; i < 90; i++) {
    const { status } = await door.ask('PATCH', `${configMaps}/big`, {
      body: { data: { x: filler, i: String(i) } },
      headers: merge,
    });
    assert.equal(status, 200);
  }
  idle.resume();
  await cut;
  const fresh = await door.watch(`${configMaps}?watch=1`);
  assert.equal(await shown(fresh), 'ADDED big');
  fresh.close();
});
