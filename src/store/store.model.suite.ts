import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Delete, Entry, Put, Store, StoreEvent, Transaction } from './store.ts';

type Step =
  | {
      do: 'txn';
      compare: { key: string; guess: 'right' | 'absent' | number }[];
      writes: { key: string; value?: string }[];
    }
  | { do: 'together'; count: number }
  | { do: 'compact'; back: number }
  | { do: 'watch'; back: number; start: string; end: string };

const key = fc.constantFrom('a', 'ab', 'b', 'ba', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('txn' as const),
      compare: fc.array(
        fc.record({ key, guess: fc.oneof(fc.constant('right' as const), fc.constant('absent' as const), fc.nat(9)) }),
        { maxLength: 2 },
      ),
      writes: fc.uniqueArray(fc.record({ key, value: fc.option(fc.string({ maxLength: 4 }), { nil: undefined }) }), {
        maxLength: 3,
        selector: (write) => write.key,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('together' as const), count: fc.integer({ min: 2, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('watch' as const), back: fc.nat(6), start: key, end: key }) },
);

/** The same contract, naively: a full copy of everything at every revision. */
class Model {
  readonly moments: Map<string, Entry>[] = [new Map(), new Map()];
  readonly events: StoreEvent[] = [];
  compacted = 0;

  get revision(): number {
    return this.moments.length - 1;
  }
  get now(): Map<string, Entry> {
    return this.moments[this.revision]!;
  }

  txn({ compare, writes }: Transaction): boolean {
    if (compare.some((c) => (this.now.get(c.key)?.modRevision ?? 0) !== c.modRevision)) return false;
    const next = new Map(this.now);
    const revision = this.revision + 1;
    let changed = false;
    for (const write of writes) {
      const old = next.get(write.key);
      const { key: name } = write;
      if ('delete' in write) {
        if (old === undefined) continue;
        next.delete(name);
      } else {
        next.set(name, {
          key: name,
          value: write.value,
          createRevision: old?.createRevision ?? revision,
          modRevision: revision,
        });
      }
      changed = true;
      this.events.push({
        type: 'delete' in write ? 'delete' : 'put',
        key: name,
        revision,
        value: 'delete' in write ? undefined : write.value,
        createRevision: old?.createRevision ?? revision,
        previousRevision: old?.modRevision ?? 0,
        attachment: undefined,
      });
    }
    if (changed) this.moments.push(next);
    return true;
  }

  range(start: string, end: string, revision: number): Entry[] {
    const all = [...this.moments[revision]!.values()].filter((entry) => entry.key >= start && entry.key < end);
    return all.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

/** Bytes as text, so that a Buffer and a Uint8Array of the same bytes are the same. */
const plain = <T extends { value?: Uint8Array }>(items: readonly T[]) =>
  items.map((item) => ({ ...item, value: item.value && Buffer.from(item.value).toString('hex') }));

/** Random steps against the driver and against the model: they must agree on everything that can be seen. */
export function modelTest(open: () => Promise<Store>, histories: number): void {
  test('agrees with a naive model on random histories', { timeout: 60_000 }, async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const store = await open();
      try {
        await play(store, steps);
      } finally {
        await store.close();
      }
    });
    await fc.assert(property, { numRuns: histories, seed: 20_261_123 });
  });
}

async function play(store: Store, steps: readonly Step[]): Promise<void> {
  const model = new Model();
  const watches: { from: number; start: string; end: string; seen: StoreEvent[] }[] = [];
  for (const next of steps) {
    if (next.do === 'txn') await compareTransaction(store, model, next);
    else if (next.do === 'together') await together(store, model, next.count);
    else if (next.do === 'compact') {
      const revision = Math.max(model.revision - next.back, 0);
      await store.compact(revision);
      model.compacted = Math.max(model.compacted, revision);
    } else {
      const from = Math.max(model.revision + 1 - next.back, model.compacted + 1);
      const seen: StoreEvent[] = [];
      watches.push({ from, start: next.start, end: next.end, seen });
      const onEvents = (events: StoreEvent[]) => seen.push(...events);
      store.watch({ start: next.start, end: next.end, fromRevision: from, onEvents, onEnd: assert.ifError });
      // Replays are asynchronous: a compaction right behind may end one, which is another test's matter.
      await new Promise(setImmediate);
    }
    await compareReads(store, model);
  }
  for (const { from, start, end, seen } of watches) {
    const wanted = model.events.filter((event) => event.revision >= from && event.key >= start && event.key < end);
    // a replay may still be under way
    for (const until = performance.now() + 5_000; seen.length < wanted.length && performance.now() < until; )
      await new Promise(setImmediate);
    assert.deepEqual(plain(seen), plain(wanted));
  }
}

function resolve(model: Model, next: Step & { do: 'txn' }): Transaction {
  const compare = next.compare.map((wanted) => {
    const right = model.now.get(wanted.key)?.modRevision ?? 0;
    return {
      key: wanted.key,
      modRevision: wanted.guess === 'right' ? right : wanted.guess === 'absent' ? 0 : wanted.guess,
    };
  });
  const writes = next.writes.map((write): Put | Delete =>
    write.value === undefined ? { key: write.key, delete: true } : { key: write.key, value: Buffer.from(write.value) },
  );
  return { compare, writes };
}

async function compareTransaction(store: Store, model: Model, next: Step & { do: 'txn' }): Promise<void> {
  const transaction = resolve(model, next);
  const ok = model.txn(transaction);
  const result = await store.txn(transaction);
  assert.equal(result.ok, ok);
  assert.equal(result.revision, model.revision);
  if (result.ok) return;
  const wanted = transaction.compare.map((c) => model.now.get(c.key)).filter((entry) => entry !== undefined);
  assert.deepEqual(plain(result.entries.filter((entry) => entry !== undefined)), plain(wanted));
}

/** Several writers raise the same counter from the same reading: one wins. */
async function together(store: Store, model: Model, count: number): Promise<void> {
  const modRevision = model.now.get('d')?.modRevision ?? 0;
  const attempt = (i: number): Transaction => ({
    compare: [{ key: 'd', modRevision }],
    writes: [{ key: 'd', value: Buffer.from([i]) }],
  });
  const results = await Promise.all(Array.from({ length: count }, (_, i) => store.txn(attempt(i))));
  for (let i = 0; i < count; i++) assert.equal(results[i]!.ok, model.txn(attempt(i)));
}

async function compareReads(store: Store, model: Model): Promise<void> {
  assert.equal(store.revision, model.revision);
  assert.equal(store.compactedRevision, model.compacted);
  for (let revision = model.compacted + 1; revision <= model.revision; revision++) {
    const limit = (revision % 4) + 1;
    const { entries, remaining } = await store.range({ start: 'a', end: 'c', revision, limit });
    const wanted = model.range('a', 'c', revision);
    assert.deepEqual(plain(entries), plain(wanted.slice(0, limit)));
    assert.equal(remaining, Math.max(wanted.length - limit, 0));
  }
  const { entries } = await store.range({ start: '', end: 'zz' });
  assert.deepEqual(plain(entries), plain(model.range('', 'zz', model.revision)));
}
