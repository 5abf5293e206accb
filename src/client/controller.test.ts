import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pods, replicaSets } from '../api/index.ts';
import { seededRandom, splitKey, StatusError } from '../machinery/index.ts';
import { type Controller, runControllers } from './controller.ts';
import { settle, VirtualClock } from './testkit/clock.ts';
import { StubServer } from './testkit/server.ts';

async function start(t: TestContext, controllers: Controller[], server = new StubServer(), clock = new VirtualClock()) {
  const stop = new AbortController();
  const errors: string[] = [];
  const error = (fields: object, message: string) =>
    void errors.push(`${message}: ${(fields as { err?: Error }).err?.message}`);
  const log = { debug() {}, info() {}, warn() {}, error };
  const running = runControllers(server.client(), controllers, {
    clock,
    random: seededRandom(1),
    signal: stop.signal,
    log,
  });
  t.after(async () => {
    stop.abort();
    await running.ended;
  });
  await settle();
  return { server, clock, running, errors, stop };
}

const owner = (name: string, uid: string) => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name,
  uid,
  controller: true,
});

/** Makes Pods until there are as many as asked for: a controller with nothing but the cache to count by. */
const counting: Controller = {
  name: 'counting',
  for: replicaSets,
  owns: [pods],
  async reconcile(key, { client, lister }) {
    const set = lister(replicaSets).get(key);
    if (set === undefined) return;
    const { namespace } = splitKey(key);
    const missing = (set.spec?.replicas ?? 0) - lister(pods).controlledBy(set.metadata.uid!).length;
    for (let i = 0; i < missing; i++) {
      const metadata = {
        generateName: `${set.metadata.name}-`,
        namespace,
        ownerReferences: [owner(set.metadata.name!, set.metadata.uid!)],
      };
      await client.create(pods, { metadata } as never);
    }
  },
};

test('a controller reconciles what is there, what comes, and the owners of what changes', async (t) => {
  const server = new StubServer();
  server.put(replicaSets, { metadata: { namespace: 'ns', name: 'one' }, spec: { replicas: 2 } });
  const { running } = await start(t, [counting], server);
  await running.started;
  await settle();
  assert.equal(server.objects(pods).length, 2);
  server.put(replicaSets, { metadata: { namespace: 'ns', name: 'two' }, spec: { replicas: 1 } });
  await settle();
  assert.equal(server.objects(pods).length, 3);
  const victim = server.objects(pods)[0]!;
  server.remove(pods, { namespace: 'ns', name: victim.metadata.name! });
  await settle();
  assert.equal(server.objects(pods).length, 3);
});

test('a cache that lags behind does not make a controller do its work twice', async (t) => {
  const server = new StubServer();
  const { clock } = await start(t, [counting], server);
  server.hold(pods);
  server.put(replicaSets, { metadata: { namespace: 'ns', name: 'one' }, spec: { replicas: 3 } });
  await settle();
  assert.equal(server.objects(pods).length, 3);
  const [set] = server.objects(replicaSets);
  server.put(replicaSets, { ...set!, spec: { replicas: 4 } });
  await settle();
  assert.equal(server.objects(pods).length, 4);
  server.release();
  await clock.advance(1_000);
  assert.equal(server.objects(pods).length, 4);
});

test('what a reconciler throws is logged and tried again, later each time; requeueAfter is kept', async (t) => {
  const at: number[] = [];
  const clock = new VirtualClock();
  const failing: Controller = {
    name: 'failing',
    for: replicaSets,
    async reconcile() {
      at.push(clock.now());
      if (at.length < 5) throw new Error('not yet');
      return { requeueAfter: 60_000 };
    },
  };
  const started = await start(t, [failing], new StubServer(), clock);
  started.server.put(replicaSets, { metadata: { namespace: 'ns', name: 'a' } });
  await clock.advance(1_000);
  assert.deepEqual(
    at.slice(1).map((time, i) => time - at[i]!),
    [5, 10, 20, 40],
  );
  assert.equal(started.errors.length, 4);
  assert.match(started.errors[0]!, /reconciling failed; it is tried again: not yet/);
  await clock.advance(60_000);
  assert.equal(at.length, 6);
});

test('losing a race is retried without a word', async (t) => {
  let tries = 0;
  const racing: Controller = {
    name: 'racing',
    for: replicaSets,
    async reconcile(key) {
      if (tries++ === 0) throw StatusError.conflict(replicaSets, key, 'changed');
    },
  };
  const { server, clock, errors } = await start(t, [racing]);
  server.put(replicaSets, { metadata: { namespace: 'ns', name: 'a' } });
  await clock.advance(100);
  assert.deepEqual([tries, errors], [2, []]);
});

test('no more keys than the concurrency are worked on at the same time', async (t) => {
  let now = 0;
  let most = 0;
  const slow: Controller = {
    name: 'slow',
    for: replicaSets,
    concurrency: 2,
    async reconcile(_key, { clock }) {
      most = Math.max(most, ++now);
      await clock.sleep(100);
      now--;
    },
  };
  const { server, clock } = await start(t, [slow]);
  for (let i = 0; i < 7; i++) server.put(replicaSets, { metadata: { namespace: 'ns', name: `a${i}` } });
  await clock.advance(1_000);
  assert.deepEqual([most, now], [2, 0]);
});

test('watches queue what they say, and only changes that matter', async (t) => {
  const keys: string[] = [];
  const watching: Controller = {
    name: 'watching',
    for: replicaSets,
    when: () => false,
    watches: [
      {
        resource: pods,
        keys: (pod) => [`ns/${pod.metadata.labels?.set ?? 'none'}`],
        when: (old, pod) => old?.metadata.labels?.set !== pod?.metadata.labels?.set,
      },
    ],
    async reconcile(key) {
      keys.push(key);
    },
  };
  const { server } = await start(t, [watching]);
  const pod = (set: string, phase: string) => ({
    metadata: { namespace: 'ns', name: 'p', labels: { set } },
    status: { phase },
  });
  server.put(replicaSets, { metadata: { namespace: 'ns', name: 'a' } });
  server.put(pods, pod('a', 'Pending'));
  await settle();
  server.put(pods, pod('a', 'Running'));
  await settle();
  server.put(pods, pod('b', 'Running'));
  await settle();
  assert.deepEqual(keys, ['ns/a', 'ns/a', 'ns/b']);
});

test('controllers share one informer for each resource, and reading an unnamed one is refused', async (t) => {
  let refused: unknown;
  const nosy: Controller = {
    name: 'nosy',
    for: replicaSets,
    start({ lister }) {
      try {
        lister(pods);
      } catch (error) {
        refused = error;
      }
    },
    async reconcile() {},
  };
  const { server } = await start(t, [counting, { ...counting, name: 'again' }, nosy]);
  assert.equal(server.calls.list, 2);
  assert.match(String(refused), /controller nosy reads pods, which it does not name: add it to its reads/);
});

test('after the signal everything ends', async (t) => {
  const { running, stop, server } = await start(t, [counting]);
  stop.abort();
  await running.ended;
  server.put(replicaSets, { metadata: { namespace: 'ns', name: 'late' }, spec: { replicas: 1 } });
  await settle();
  assert.equal(server.objects(pods).length, 0);
});
