import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricSet } from '../../machinery/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { allocate } from './allocate.ts';
import { Counts } from './counts.ts';
import { Dropped } from './dropped.ts';
import { type Flow, QueueSet, type Ticket } from './queueset.ts';
import { dealHand } from './shuffle.ts';

const one = { initialSeats: 1, finalSeats: 0, additionalLatency: 0 };
const flowOf = (schema: string, hand: number[]): Flow => ({
  schema,
  distinguisher: '',
  hand,
  counts: new Counts(new MetricSet()).flow('level', schema),
});

/** Serves one request after the other, each for 10 ms, and tells in which order. */
async function served(set: QueueSet, clock: VirtualClock, tickets: Ticket[]): Promise<string[]> {
  const order: string[] = [];
  const seen = new Set<Ticket>();
  while (seen.size < tickets.length) {
    const running = tickets.filter((ticket) => ticket.state === 'executing' && !seen.has(ticket));
    assert.ok(running.length > 0, 'nobody is let in');
    await clock.advance(10);
    for (const ticket of running) {
      seen.add(ticket);
      order.push(ticket.flow.schema);
      ticket.release();
    }
  }
  assert.ok(set.idle);
  assert.equal(set.seats, 0);
  return order;
}

test('a flow that floods its queue does not keep another waiting beyond its turn', async () => {
  const clock = new VirtualClock();
  const set = new QueueSet(clock, { exempt: false, queues: 8, queueLengthLimit: 100 }, 1);
  const flood = flowOf('flood', [1]);
  const calm = flowOf('calm', [5]);
  const tickets = Array.from({ length: 50 }, () => set.start(flood, one, undefined)!);
  tickets.push(set.start(calm, one, undefined)!, set.start(calm, one, undefined)!);
  const order = await served(set, clock, tickets);
  assert.ok(order.lastIndexOf('calm') < 6, `it was served as ${order.lastIndexOf('calm')}th`);
});

test('wide requests count for what they are: their flow is served less often', async () => {
  const clock = new VirtualClock();
  const set = new QueueSet(clock, { exempt: false, queues: 8, queueLengthLimit: 100 }, 4);
  const wide = flowOf('wide', [1]);
  const slim = flowOf('slim', [2]);
  const tickets: Ticket[] = [];
  for (let i = 0; i < 20; i++) {
    tickets.push(set.start(wide, { ...one, initialSeats: 4 }, undefined)!, set.start(slim, one, undefined)!);
  }
  const order = await served(set, clock, tickets);
  const half = order.slice(0, order.length / 2);
  const slims = half.filter((name) => name === 'slim').length;
  assert.ok(slims >= 14, `${slims} of ${half.length} were slim`);
});

test('seats that fan out a write stay taken after it was answered', async () => {
  const clock = new VirtualClock();
  const set = new QueueSet(clock, { exempt: false, queues: 0, queueLengthLimit: 0 }, 3);
  const flow = flowOf('writes', []);
  const ticket = set.start(flow, { initialSeats: 1, finalSeats: 3, additionalLatency: 50 }, undefined)!;
  ticket.release();
  assert.equal(set.start(flow, one, undefined), undefined);
  await clock.advance(50);
  assert.equal(set.start(flow, one, undefined)?.state, 'executing');
});

test('an exempt level has no end', () => {
  const set = new QueueSet(new VirtualClock(), { exempt: true, queues: 0, queueLengthLimit: 0 }, 0);
  const flow = flowOf('any', []);
  for (let i = 0; i < 1000; i++) assert.equal(set.start(flow, one, undefined)?.state, 'executing');
});

test('a hand has different cards, the same for the same flow', () => {
  for (const user of ['a', 'b', 'c']) {
    const hand = dealHand('schema', user, 128, 6);
    assert.equal(new Set(hand).size, 6);
    assert.ok(hand.every((card) => card >= 0 && card < 128));
    assert.deepEqual(dealHand('schema', user, 128, 6), hand);
  }
  assert.notDeepEqual(dealHand('schema', 'a', 128, 6), dealHand('schema', 'b', 128, 6));
  assert.deepEqual(
    dealHand('schema', 'a', 4, 4).toSorted((a, b) => a - b),
    [0, 1, 2, 3],
  );
});

test('seats are divided by target, within bounds', () => {
  const claim = (lower: number, target: number, upper: number) => ({ lower, target, upper });
  const cases: [number, ReturnType<typeof claim>[], number[] | undefined][] = [
    [10, [claim(0, 5, 10), claim(0, 15, 10)], [2.5, 7.5]],
    [10, [claim(4, 5, 10), claim(0, 15, 10)], [4, 6]],
    [20, [claim(0, 5, 30), claim(0, 15, 10)], [10, 10]],
    [0, [claim(0, 5, 30), claim(0, 15, 10)], [0, 0]],
    [5, [claim(3, 5, 30), claim(3, 15, 30)], undefined],
    [50, [claim(3, 5, 20), claim(3, 15, 20)], undefined],
  ];
  for (const [total, claims, wanted] of cases) {
    const seats = allocate(total, claims)?.seats.map((one) => Math.round(one * 1000) / 1000);
    assert.deepEqual(seats, wanted, JSON.stringify({ total, claims }));
  }
});

test('the more are turned away, the longer they are told to wait, up to half a minute; then less again', () => {
  const dropped = new Dropped();
  let second = 1000;
  const drop = (seconds: number, each: number) => {
    for (const end = second + seconds; second < end; second++) for (let i = 0; i < each; i++) dropped.record(second);
  };
  drop(1, 10);
  assert.equal(dropped.retryAfter, 1);
  drop(2, 100);
  assert.equal(dropped.retryAfter, 2);
  drop(200, 100);
  assert.equal(dropped.retryAfter, 32);
  second += 100;
  drop(10, 1);
  assert.ok(dropped.retryAfter < 32);
});
