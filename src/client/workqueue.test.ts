import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricSet } from '../machinery/index.ts';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { settle, VirtualClock } from './testkit/clock.ts';
import { WorkQueue } from './workqueue.ts';

function queueOn(clock = new VirtualClock()) {
  return { clock, queue: new WorkQueue({ clock }) };
}

async function drain(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.length > 0) {
    const key = (await queue.get())!;
    keys.push(key);
    queue.done(key);
  }
  return keys;
}

test('keys come out in the order they went in, each once', async () => {
  const { queue } = queueOn();
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
  assert.deepEqual(await drain(queue), ['a', 'b', 'c']);
});

test('a key added while it is worked on comes back once, after it is done', async () => {
  const { queue } = queueOn();
  queue.add('a');
  assert.equal(await queue.get(), 'a');
  queue.add('a');
  queue.add('a');
  assert.equal(queue.length, 0);
  queue.done('a');
  assert.deepEqual(await drain(queue), ['a']);
});

test('no two workers hold the same key', async () => {
  const { queue } = queueOn();
  const held = new Set<string>();
  const worker = async () => {
    for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
      assert.ok(!held.has(key), `${key} is held twice`);
      held.add(key);
      await settle();
      held.delete(key);
      queue.done(key);
    }
  };
  const workers = Promise.all([worker(), worker(), worker()]);
  for (let i = 0; i < 30; i++) {
    queue.add(`k${i % 3}`);
    if (i % 4 === 0) await settle();
  }
  await settle();
  queue.shutDown();
  await workers;
});

test('retries wait 5 ms, then twice as long each time, up to 1000 s, until the key is forgotten', async () => {
  const { clock, queue } = queueOn();
  const waited: number[] = [];
  for (let i = 0; i < 20; i++) {
    const since = clock.now();
    queue.addRateLimited('a');
    let after = 0;
    while (queue.length === 0) {
      after = after === 0 ? 5 : after * 2;
      await clock.advance(since + Math.min(after, 1_000_000) - clock.now());
    }
    waited.push(clock.now() - since);
    await drain(queue);
  }
  assert.deepEqual(waited.slice(0, 4), [5, 10, 20, 40]);
  assert.deepEqual(waited.slice(-2), [1_000_000, 1_000_000]);
  assert.equal(queue.requeues('a'), 20);
  queue.forget('a');
  queue.addRateLimited('a');
  await clock.advance(5);
  assert.deepEqual(await drain(queue), ['a']);
});

test('a delayed key keeps its earliest time, and one timer serves them all', async () => {
  const { clock, queue } = queueOn();
  queue.addAfter('late', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 300);
  queue.addAfter('b', 300);
  queue.addAfter('b', 50);
  assert.equal(clock.pending, 1);
  await clock.advance(49);
  assert.equal(queue.length, 0);
  await clock.advance(1);
  assert.deepEqual(await drain(queue), ['b']);
  await clock.advance(50);
  assert.deepEqual(await drain(queue), ['a']);
  await clock.advance(300);
  assert.equal(queue.length, 0);
  await clock.advance(100);
  assert.deepEqual(await drain(queue), ['late']);
});

test('many delayed keys come out by time', async () => {
  const { clock, queue } = queueOn();
  const delays = Array.from({ length: 500 }, (_, i) => ((i * 7_919) % 500) + 1);
  for (const delay of delays) queue.addAfter(`k${delay}`, delay);
  await clock.advance(1_000);
  assert.deepEqual(
    await drain(queue),
    delays.toSorted((a, b) => a - b).map((delay) => `k${delay}`),
  );
});

test('higher priority goes first, and raising a key does not double it', async () => {
  const { queue } = queueOn();
  queue.add('old 1', -1);
  queue.add('old 2', -1);
  queue.add('new');
  queue.add('old 2');
  assert.equal(queue.length, 3);
  assert.deepEqual(await drain(queue), ['new', 'old 2', 'old 1']);
});

test('shutting down lets what is ready out and ends the waiting', async () => {
  const { clock, queue } = queueOn();
  queue.add('a');
  queue.addAfter('b', 10);
  queue.shutDown();
  queue.add('c');
  assert.equal(await queue.get(), 'a');
  assert.equal(await queue.get(), undefined);
  await clock.advance(20);
  assert.equal(queue.length, 0);
  const other = queueOn().queue;
  const waiting = other.get();
  other.shutDown();
  assert.equal(await waiting, undefined);
});

test('a queue tells what waits, what is worked on and for how long', async () => {
  const clock = new VirtualClock();
  const metrics = new MetricSet();
  const queue = new WorkQueue({ clock, name: 'things', metrics });
  const told = (name: string) => valueOf(parseExposition(metrics.text()), `workqueue_${name}`, { name: 'things' });
  for (const key of ['a', 'b', 'a']) queue.add(key);
  assert.deepEqual([told('adds_total'), told('depth')], [2, 2]);
  await clock.advance(2000);
  const key = (await queue.get())!;
  await clock.advance(3000);
  assert.deepEqual([told('depth'), told('queue_duration_seconds_sum')], [1, 2]);
  assert.deepEqual([told('unfinished_work_seconds'), told('longest_running_processor_seconds')], [3, 3]);
  queue.addRateLimited(key);
  queue.done(key);
  assert.deepEqual([told('work_duration_seconds_sum'), told('retries_total')], [3, 1]);
  assert.equal(told('unfinished_work_seconds'), 0);
});

test('a key that rests comes out after its rest, once, however often it was added meanwhile', async () => {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ clock });
  queue.add('a');
  assert.equal(await queue.get(), 'a');
  queue.rest('a', 500);
  queue.add('a');
  queue.done('a');
  queue.add('a');
  queue.add('b');
  assert.equal(await queue.get(), 'b', 'others do not wait');
  queue.done('b');
  await clock.advance(499);
  assert.equal(queue.length, 0);
  await clock.advance(1);
  assert.equal(await queue.get(), 'a');
  queue.done('a');
  assert.deepEqual([queue.length, queue.delayed], [0, 0]);
});
