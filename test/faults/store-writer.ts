/**
 * Writes to a store as fast as it answers, until it is killed. Every acknowledged write is a line on stdout, written
 * before the next one starts: `revision key number`. Run by store-kill.test.ts with a folder and a seed.
 */
import { writeSync } from 'node:fs';
import { seededRandom } from '../../src/machinery/index.ts';
import { openEmbeddedStore, type Store } from '../../src/store/index.ts';
import { valueOf } from './store-value.ts';

const [directory = '', seed = '0'] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const store = await openEmbeddedStore({ directory });
let number = Number(seed) * 1_000_000;
writeSync(1, `${store.revision} open 0\n`);
await Promise.all(Array.from({ length: 8 }, () => work(store)));

async function work(store: Store): Promise<never> {
  for (;;) {
    const choice = random.next();
    if (choice < 0.1) await refused(store);
    else if (choice < 0.12) await store.compact(Math.max(1, store.revision - 200));
    else await acknowledged(store, choice);
  }
}

/** Keys come in pairs that one transaction writes together, so that half of one would show. */
async function acknowledged(store: Store, choice: number): Promise<void> {
  const n = number++;
  const pair = Math.floor(random.next() * 20);
  const size = choice < 0.2 ? 20_000 : Math.floor(random.next() * 3_000);
  const keys = [`a/${pair}`, `b/${pair}`];
  const result = await store.txn({ compare: [], writes: keys.map((key) => ({ key, value: valueOf(key, n, size) })) });
  writeSync(1, `${result.revision} ${pair} ${n}\n`);
}

async function refused(store: Store): Promise<void> {
  const value = valueOf('refused', 0, 100);
  const result = await store.txn({ compare: [{ key: 'none', modRevision: 1 }], writes: [{ key: 'refused', value }] });
  if (result.ok) throw new Error('a comparison that cannot hold held');
}
