import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Put, Store, StoreEvent } from './store.ts';
import { CompactedError, FutureRevisionError, StoreClosedError } from './store.ts';
import { modelTest } from './store.model.suite.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
const put = (key: string, value: string): Put => ({ key, value: bytes(value) });

async function write(store: Store, key: string, value: string): Promise<number> {
  return (await store.txn({ compare: [], writes: [put(key, value)] })).revision;
}

async function remove(store: Store, key: string): Promise<number> {
  return (await store.txn({ compare: [], writes: [{ key, delete: true }] })).revision;
}

/** Collects the events of a watch, and waits for a number of them. */
function watching(store: Store, start: string, end: string, fromRevision?: number) {
  const events: StoreEvent[] = [];
  const calls: number[] = [];
  let wake = () => {};
  let ended: { error: Error | undefined } | undefined;
  const onEvents = (more: StoreEvent[]) => {
    calls.push(more.length);
    events.push(...more);
    wake();
  };
  const onEnd = (error: Error | undefined) => {
    ended = { error };
    wake();
  };
  const watch = store.watch({ start, end, fromRevision, onEvents, onEnd });
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise<void>((resolve) => (wake = resolve));
  };
  return {
    events,
    calls,
    cancel: () => watch.cancel(),
    shown: () => events.map((e) => `${e.revision} ${e.type} ${e.key}${e.value ? `=${text(e.value)}` : ''}`),
    ended: () => ended,
    end: () => until(() => ended !== undefined),
    count: (count: number) => until(() => events.length >= count),
  };
}

/** Holds a driver to the contract in `store.ts`. `open` gives a new, empty store; `histories`: how many random ones are played. */
export function storeSuite(name: string, open: () => Promise<Store>, histories = 60): void {
  const on = (title: string, run: (store: Store) => Promise<void>) =>
    test(title, { timeout: 30_000 }, async () => {
      const store = await open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });

  describe(`${name}: a store`, () => {
    transactions(on);
    reads(on);
    watches(on);
    compaction(on);
    closing(on);
    modelTest(open, histories);
  });
}

type On = (title: string, run: (store: Store) => Promise<void>) => void;

function transactions(on: On): void {
  on('a new store is at revision 1 and the first transaction gets 2', async (store) => {
    assert.equal(store.revision, 1);
    assert.equal(store.compactedRevision, 0);
    assert.equal(await write(store, 'a', '1'), 2);
    assert.equal(store.revision, 2);
  });

  on('all writes of a transaction share its revision', async (store) => {
    const done = await store.txn({ compare: [], writes: [put('a', '1'), put('b', '2'), put('c', '3')] });
    assert.deepEqual(done, { ok: true, revision: 2 });
    for (const key of ['a', 'b', 'c']) assert.equal((await store.get(key))?.modRevision, 2);
  });

  on('a key keeps the revision that created it until it is deleted', async (store) => {
    await write(store, 'a', '1');
    await write(store, 'a', '2');
    assert.deepEqual(await store.get('a'), {
      key: 'a',
      value: (await store.get('a'))!.value,
      createRevision: 2,
      modRevision: 3,
    });
    await remove(store, 'a');
    await write(store, 'a', '3');
    assert.equal((await store.get('a'))?.createRevision, 5);
  });

  on('a comparison with 0 asks that the key does not exist', async (store) => {
    const create = () => store.txn({ compare: [{ key: 'a', modRevision: 0 }], writes: [put('a', '1')] });
    assert.equal((await create()).ok, true);
    const again = await create();
    assert.ok(!again.ok);
    assert.equal(again.revision, 2);
    assert.equal(text(again.entries[0]?.value), '1');
    await remove(store, 'a');
    assert.deepEqual(await create(), { ok: true, revision: 4 });
  });

  on('a failed comparison writes nothing and says what each key holds', async (store) => {
    await write(store, 'a', '1');
    await write(store, 'b', '2');
    const compare = [
      { key: 'a', modRevision: 2 },
      { key: 'b', modRevision: 2 },
      { key: 'none', modRevision: 9 },
    ];
    const failed = await store.txn({ compare, writes: [put('a', 'x'), put('c', 'x')] });
    assert.ok(!failed.ok);
    assert.deepEqual(
      failed.entries.map((entry) => entry && [entry.key, text(entry.value), entry.modRevision]),
      [['a', '1', 2], ['b', '2', 3], undefined],
    );
    assert.equal(store.revision, 3);
    assert.equal(text((await store.get('a'))?.value), '1');
    assert.equal(await store.get('c'), undefined);
  });

  on('transactions take effect in the order of the calls, and see those ahead of them', async (store) => {
    const results = await Promise.all([
      store.txn({ compare: [{ key: 'a', modRevision: 0 }], writes: [put('a', '1')] }),
      store.txn({ compare: [{ key: 'a', modRevision: 0 }], writes: [put('a', '2')] }),
      store.txn({ compare: [{ key: 'a', modRevision: 2 }], writes: [put('a', '3')] }),
      store.txn({ compare: [{ key: 'a', modRevision: 3 }], writes: [{ key: 'a', delete: true }] }),
      store.txn({ compare: [{ key: 'a', modRevision: 0 }], writes: [put('a', '4')] }),
    ]);
    assert.deepEqual(
      results.map((result) => [result.ok, result.ok ? result.revision : undefined]),
      [
        [true, 2],
        [false, undefined],
        [true, 3],
        [true, 4],
        [true, 5],
      ],
    );
    assert.equal(text((await store.get('a'))?.value), '4');
  });

  on('many transactions at once each get their own revision', async (store) => {
    const revisions = await Promise.all(Array.from({ length: 3_000 }, (_, i) => write(store, `k${i}`, `${i}`)));
    assert.deepEqual(
      revisions,
      Array.from({ length: 3_000 }, (_, i) => i + 2),
    );
  });

  on('a transaction that changes nothing takes no revision', async (store) => {
    await write(store, 'a', '1');
    assert.deepEqual(await store.txn({ compare: [], writes: [] }), { ok: true, revision: 2 });
    assert.deepEqual(await store.txn({ compare: [], writes: [{ key: 'none', delete: true }] }), {
      ok: true,
      revision: 2,
    });
    assert.equal(await write(store, 'a', '2'), 3);
  });

  on('writing one key twice in a transaction is refused', async (store) => {
    const twice = store.txn({ compare: [], writes: [put('a', '1'), { key: 'a', delete: true }] });
    await assert.rejects(twice, /"a" is written twice/);
    assert.equal(store.revision, 1);
  });

  on('an empty value and a value of 3 MB come back as they were', async (store) => {
    const large = new Uint8Array(3 << 20).map((_, i) => i * 31);
    await store.txn({
      compare: [],
      writes: [
        { key: 'empty', value: new Uint8Array() },
        { key: 'large', value: large },
      ],
    });
    assert.equal((await store.get('empty'))?.value.length, 0);
    assert.deepEqual(Buffer.from((await store.get('large'))!.value).equals(large), true);
  });
}

function reads(on: On): void {
  on('a range is in the order of its keys, start included and end not', async (store) => {
    for (const key of ['b', 'd', 'a', 'c', 'e']) await write(store, key, key);
    const { entries, revision, remaining } = await store.range({ start: 'b', end: 'e' });
    assert.deepEqual(
      entries.map((entry) => entry.key),
      ['b', 'c', 'd'],
    );
    assert.deepEqual([revision, remaining], [6, 0]);
    assert.deepEqual((await store.range({ start: 'x', end: 'z' })).entries, []);
    assert.deepEqual((await store.range({ start: 'd', end: 'b' })).entries, []);
  });

  on('a limited range says how many remain', async (store) => {
    await store.txn({
      compare: [],
      writes: Array.from({ length: 2_500 }, (_, i) => put(`k${String(i).padStart(5, '0')}`, '')),
    });
    await remove(store, 'k02000');
    const first = await store.range({ start: 'k', end: 'l', limit: 10 });
    assert.deepEqual([first.entries.length, first.remaining], [10, 2_489]);
    const then = await store.range({ start: `${first.entries.at(-1)!.key}\0`, end: 'l', limit: 2_000, revision: 2 });
    assert.deepEqual([then.entries[0]?.key, then.entries.length, then.remaining], ['k00010', 2_000, 490]);
  });

  on('any revision since the last compaction can be read', async (store) => {
    await write(store, 'a', '1');
    await write(store, 'a', '2');
    await remove(store, 'a');
    await write(store, 'a', '3');
    const at = async (revision: number) => text((await store.get('a', revision))?.value);
    assert.deepEqual(
      [await at(1), await at(2), await at(3), await at(4), await at(5)],
      [undefined, '1', '2', undefined, '3'],
    );
    const { entries, revision } = await store.range({ start: 'a', end: 'b', revision: 3 });
    assert.deepEqual([entries.map((entry) => text(entry.value)), revision], [['2'], 3]);
  });

  on('a revision that has not happened cannot be read', async (store) => {
    await assert.rejects(store.get('a', 2), FutureRevisionError);
    await assert.rejects(
      store.range({ start: 'a', end: 'b', revision: 99 }),
      /revision 99 has not happened yet; the store is at 1/,
    );
  });
}

function watches(on: On): void {
  on('a watch sees the events of its range, in order, each once', async (store) => {
    await write(store, 'b0', 'before');
    const seen = watching(store, 'b', 'c');
    await Promise.all([write(store, 'a', 'x'), write(store, 'b1', '1'), write(store, 'c', 'x'), remove(store, 'b0')]);
    await store.txn({ compare: [], writes: [put('b2', '2'), put('z', 'x'), put('b3', '3')] });
    assert.deepEqual(seen.shown(), ['4 put b1=1', '6 delete b0', '7 put b2=2', '7 put b3=3']);
  });

  on('events are delivered before the transaction resolves, in revision order for every watch', async (store) => {
    const order: string[] = [];
    const note = (who: string) => (events: StoreEvent[]) =>
      order.push(...events.map((event) => `${who}${event.revision}`));
    store.watch({ start: 'a', end: 'b', onEvents: note('first '), onEnd() {} });
    store.watch({ start: '', end: 'z', onEvents: note('second '), onEnd() {} });
    const resolved = (revision: number) => order.push(`resolved ${revision}`);
    await Promise.all([write(store, 'a', '1').then(resolved), write(store, 'a', '2').then(resolved)]);
    const sorted = (who: string) => order.filter((entry) => entry.startsWith(who));
    assert.deepEqual(sorted('first'), ['first 2', 'first 3']);
    assert.deepEqual(sorted('second'), ['second 2', 'second 3']);
    for (const revision of [2, 3]) {
      assert.ok(order.indexOf(`first ${revision}`) < order.indexOf(`resolved ${revision}`));
      assert.ok(order.indexOf(`second ${revision}`) < order.indexOf(`resolved ${revision}`));
    }
  });

  on('an event carries what it replaced, what created its key, and its attachment in this process', async (store) => {
    const seen = watching(store, 'a', 'b');
    await store.txn({ compare: [], writes: [{ key: 'a', value: bytes('1'), attachment: 'one' }] });
    await store.txn({ compare: [], writes: [{ key: 'a', value: bytes('2') }] });
    await store.txn({ compare: [], writes: [{ key: 'a', delete: true, attachment: 'gone' }] });
    const facts = seen.events.map((e) => [e.createRevision, e.previousRevision, e.attachment, text(e.value)]);
    assert.deepEqual(facts, [
      [2, 0, 'one', '1'],
      [2, 2, undefined, '2'],
      [2, 3, 'gone', undefined],
    ]);
  });

  on('a watch from the past replays it, then goes on without a gap', async (store) => {
    for (let i = 0; i < 1_200; i++) void write(store, `k${i % 7}`, `${i}`);
    await write(store, 'other', '');
    const seen = watching(store, 'k', 'l', 3);
    for (let i = 1_200; i < 1_300; i++) void write(store, `k${i % 7}`, `${i}`);
    await seen.count(1_299);
    assert.deepEqual(
      seen.events.map((event) => text(event.value)),
      Array.from({ length: 1_299 }, (_, i) => `${i + 1}`),
    );
    assert.ok(seen.events.every((event, i) => i === 0 || event.revision > seen.events[i - 1]!.revision));
  });

  on('no call splits the writes of one revision', async (store) => {
    for (let i = 0; i < 5; i++) {
      await store.txn({ compare: [], writes: Array.from({ length: 300 }, (_, n) => put(`k${n}`, `${i}`)) });
    }
    const seen = watching(store, 'k', 'l', 2);
    await seen.count(1_500);
    assert.ok(
      seen.calls.every((size) => size % 300 === 0),
      `sizes ${seen.calls}`,
    );
  });

  on('a watch may start in the future', async (store) => {
    const seen = watching(store, 'a', 'b', 4);
    for (const value of ['1', '2', '3', '4']) await write(store, 'a', value);
    assert.deepEqual(seen.shown(), ['4 put a=3', '5 put a=4']);
  });

  on('nothing is delivered after a watch is cancelled, not even the rest of a batch', async (store) => {
    const seen = watching(store, 'a', 'b');
    await write(store, 'a', '1');
    let other = 0;
    const killer = store.watch({ start: '', end: 'zz', onEvents: () => seen.cancel(), onEnd() {} });
    store.watch({ start: 'a', end: 'b', onEvents: (events) => (other += events.length), onEnd() {} });
    seen.cancel();
    await write(store, 'a', '2');
    killer.cancel();
    await write(store, 'a', '3');
    assert.deepEqual(seen.shown(), ['2 put a=1']);
    assert.equal(other, 2);
    assert.equal(seen.ended(), undefined);
  });

  on('a watch that starts while events are delivered begins after them', async (store) => {
    let inner: ReturnType<typeof watching> | undefined;
    let delivered = 0;
    const onEvents = (events: StoreEvent[]) => {
      if (inner !== undefined) return;
      delivered = events.at(-1)!.revision;
      inner = watching(store, 'a', 'b');
    };
    store.watch({ start: 'a', end: 'b', onEvents, onEnd() {} });
    await Promise.all([write(store, 'a', '1'), write(store, 'a', '2')]);
    await write(store, 'a', '3');
    assert.deepEqual(
      inner?.events.map((event) => event.revision),
      [2, 3, 4].filter((revision) => revision > delivered),
    );
  });

  on('a watcher may write from within an event; others still see revisions in order', async (store) => {
    const done = Promise.withResolvers<number>();
    const first = (events: StoreEvent[]) => {
      if (events[0]?.key === 'a') done.resolve(write(store, 'b', 'answer'));
    };
    store.watch({ start: '', end: 'zz', onEvents: first, onEnd() {} });
    const seen = watching(store, '', 'zz');
    await write(store, 'a', 'question');
    await done.promise;
    assert.deepEqual(seen.shown(), ['2 put a=question', '3 put b=answer']);
  });

  on('a watcher that throws is ended and harms nobody', async (store) => {
    let ended: Error | undefined;
    const onEvents = () => {
      throw new Error('broken watcher');
    };
    store.watch({ start: 'a', end: 'b', onEvents, onEnd: (error) => (ended = error) });
    const seen = watching(store, 'a', 'b');
    await write(store, 'a', '1');
    await write(store, 'a', '2');
    assert.equal(ended?.message, 'broken watcher');
    assert.equal(seen.events.length, 2);
  });

  on('overlapping, nested and single-key ranges each get their own events', async (store) => {
    const ranges = [
      ['', 'zz'],
      ['a', 'm'],
      ['a', 'b'],
      ['ab', 'ac'],
      ['b', 'c'],
      ['m', 'zz'],
      ['ab', 'ab\0'],
    ] as const;
    const seen = ranges.map(([start, end]) => watching(store, start, end));
    const keys = ['a', 'ab', 'ab1', 'b', 'lz', 'm', 'z'];
    await store.txn({ compare: [], writes: keys.map((key) => put(key, '')) });
    for (const [i, [start, end]] of ranges.entries()) {
      const wanted = keys.filter((key) => key >= start && key < end);
      assert.deepEqual(
        seen[i]!.events.map((event) => event.key),
        wanted,
        `range ${start}..${end}`,
      );
    }
  });
}

function compaction(on: On): void {
  on('compaction forgets what was overwritten or deleted, and keeps the present', async (store) => {
    await write(store, 'a', '1');
    await write(store, 'a', '2');
    await write(store, 'b', '1');
    await remove(store, 'b');
    await write(store, 'c', '1');
    await store.compact(5);
    assert.equal(store.compactedRevision, 5);
    await assert.rejects(store.get('a', 3), CompactedError);
    await assert.rejects(store.range({ start: 'a', end: 'z', revision: 5 }), /revision 5 has been compacted; .* is 6/);
    const { entries } = await store.range({ start: 'a', end: 'z', revision: 6 });
    assert.deepEqual(
      entries.map((entry) => [entry.key, text(entry.value)]),
      [
        ['a', '2'],
        ['c', '1'],
      ],
    );
    assert.equal(await write(store, 'b', '2'), 7);
    assert.equal((await store.get('b'))?.createRevision, 7);
  });

  on('what a newer revision still needs survives compaction', async (store) => {
    await write(store, 'a', '1');
    await write(store, 'a', '2');
    await write(store, 'x', '');
    await write(store, 'a', '3');
    await store.compact(3);
    assert.equal(text((await store.get('a', 4))?.value), '2');
    await store.compact(4);
    await store.compact(2);
    assert.equal(store.compactedRevision, 4);
    assert.equal(text((await store.get('a', 5))?.value), '3');
  });

  on('the present can be read even when it is compacted', async (store) => {
    await write(store, 'a', '1');
    await store.compact(2);
    assert.equal(text((await store.get('a'))?.value), '1');
    assert.equal(text((await store.get('a', 2))?.value), '1');
    assert.equal((await store.range({ start: 'a', end: 'b' })).entries.length, 1);
  });

  on('a watch cannot start at a compacted revision, but right after it', async (store) => {
    for (const value of ['1', '2', '3', '4']) await write(store, 'a', value);
    await store.compact(3);
    assert.throws(() => watching(store, 'a', 'b', 3), CompactedError);
    const seen = watching(store, 'a', 'b', 4);
    await seen.count(2);
    assert.deepEqual(seen.shown(), ['4 put a=3', '5 put a=4']);
  });

  on('compacting the future is refused', async (store) => {
    await assert.rejects(store.compact(2), FutureRevisionError);
  });

  on('reads that are under way when a compaction comes are answered whole', async (store) => {
    await store.txn({ compare: [], writes: Array.from({ length: 5_000 }, (_, i) => put(`k${i}`, `old ${i}`)) });
    await store.txn({ compare: [], writes: Array.from({ length: 5_000 }, (_, i) => put(`k${i}`, `new ${i}`)) });
    const reading = store.range({ start: 'k', end: 'l', revision: 2 });
    const [{ entries }] = await Promise.all([reading, store.compact(3)]);
    assert.equal(entries.length, 5_000);
    assert.ok(entries.every((entry) => text(entry.value) === `old ${entry.key.slice(1)}`));
  });
}

function closing(on: On): void {
  on('closing waits for what is under way and ends the watches', async (store) => {
    const seen = watching(store, 'a', 'b');
    const writing = write(store, 'a', '1');
    await store.close();
    assert.equal(await writing, 2);
    assert.deepEqual(seen.shown(), ['2 put a=1']);
    assert.deepEqual(seen.ended(), { error: undefined });
  });

  on('a closed store refuses everything', async (store) => {
    await store.close();
    await assert.rejects(write(store, 'a', '1'), StoreClosedError);
    await assert.rejects(store.get('a'), StoreClosedError);
    await assert.rejects(store.range({ start: '', end: 'z' }), StoreClosedError);
    await assert.rejects(store.compact(1), StoreClosedError);
    assert.throws(() => watching(store, 'a', 'b'), StoreClosedError);
    await store.close();
  });
}
