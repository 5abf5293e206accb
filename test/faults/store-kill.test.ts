import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/machinery/index.ts';
import { openEmbeddedStore, type Store } from '../../src/store/index.ts';
import { numberOf } from './store-value.ts';

const kills = 200;
const lanes = 2;
const writer = fileURLToPath(new URL('./store-writer.ts', import.meta.url));

interface Acknowledged {
  revision: number;
  pair: string;
  number: number;
}

interface Lane {
  directory: string;
  lane: number;
  env: NodeJS.ProcessEnv;
}

test(`a writer killed ${kills} times at random instants loses nothing and tears nothing`, {
  timeout: 400_000,
}, async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'glasshouse-kill-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  // Writers start in a third of the time when they find their modules compiled; a killed one leaves no cache behind.
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(base, 'compiled') };
  const doors = ['machinery', 'store'].map((part) => new URL(`../../src/${part}/index.ts`, import.meta.url).href);
  const load = `await Promise.all(${JSON.stringify(doors)}.map((door) => import(door)))`;
  execFileSync(process.execPath, ['--input-type=module', '-e', load], { env });
  const found = await Promise.all(
    Array.from({ length: lanes }, (_, lane) => play({ directory: join(base, String(lane)), lane, env })),
  );
  const acknowledged = found.reduce((sum, n) => sum + n, 0);
  assert.ok(acknowledged > kills * 5, `only ${acknowledged} writes were acknowledged: the test does not test`);
  t.diagnostic(`${kills} kills, ${acknowledged} acknowledged transactions found again`);
});

/** Kills writers of one folder again and again; what was ever acknowledged has to stay. */
async function play({ directory, lane, env }: Lane): Promise<number> {
  const random = seededRandom(lane + 1);
  const newest = new Map<string, Acknowledged>();
  let total = 0;
  let revision = 1;
  for (let round = 0; round < kills / lanes; round++) {
    const seed = lane * 10_000 + round + 1;
    const { opened, acknowledged } = await writeAndKill({ directory, env, seed, chance: random.next() });
    if (opened !== undefined)
      assert.equal(opened, revision, `round ${seed}: opened at another revision than it was left`);
    for (const [i, one] of acknowledged.entries()) {
      assert.ok(
        one.revision > (acknowledged[i - 1]?.revision ?? revision),
        `round ${seed}: revision ${one.revision} came twice`,
      );
      newest.set(one.pair, one);
    }
    total += acknowledged.length;
    revision = await verify(directory, acknowledged, newest, revision);
  }
  return total;
}

/** Runs a writer and kills it: a tenth of them while it starts, the others up to 60 ms after it opened the store. */
async function writeAndKill({ directory, env, seed, chance }: Omit<Lane, 'lane'> & { seed: number; chance: number }) {
  const child = spawn(process.execPath, [writer, directory, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  const kill = (after: number) => setTimeout(() => child.kill('SIGKILL'), after);
  let output = '';
  if (chance < 0.1) kill(chance * 1_000);
  else child.stdout.once('data', () => kill((chance - 0.1) * 67));
  child.stdout.on('data', (chunk) => (output += chunk));
  await new Promise((resolve) => child.once('close', resolve));
  assert.equal(child.signalCode, 'SIGKILL', `round ${seed}: the writer ended by itself`);
  const lines = output
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '));
  const acknowledged = lines
    .slice(1)
    .map(([revision, pair, number]) => ({ revision: Number(revision), pair: pair!, number: Number(number) }));
  return { opened: lines[0] && Number(lines[0][0]), acknowledged };
}

async function verify(
  directory: string,
  fresh: Acknowledged[],
  newest: Map<string, Acknowledged>,
  before: number,
): Promise<number> {
  const store = await openEmbeddedStore({ directory });
  try {
    assert.ok(store.revision >= Math.max(before, fresh.at(-1)?.revision ?? 0), 'the revision went back');
    assert.equal(await store.get('refused'), undefined, 'a refused write is there');
    for (const one of fresh) if (one.revision > store.compactedRevision) await verifyPair(store, one, one.revision);
    for (const one of newest.values()) await verifyPair(store, one, undefined);
    await verifyAll(store);
    return store.revision;
  } finally {
    await store.close();
  }
}

/** Both keys of the pair hold this write, or (in the present) a later one, which may have been killed unacknowledged. */
async function verifyPair(
  store: Store,
  { pair, number, revision }: Acknowledged,
  at: number | undefined,
): Promise<void> {
  const a = await store.get(`a/${pair}`, at);
  const b = await store.get(`b/${pair}`, at);
  assert.ok(a !== undefined && b !== undefined, `pair ${pair} of revision ${revision} is lost`);
  assert.equal(a.modRevision, b.modRevision, `half of a transaction on pair ${pair}`);
  assert.equal(numberOf(a.key, a.value), numberOf(b.key, b.value));
  if (a.modRevision === revision) assert.equal(numberOf(a.key, a.value), number);
  else
    assert.ok(
      at === undefined && a.modRevision > revision,
      `pair ${pair} fell back from ${revision} to ${a.modRevision}`,
    );
}

async function verifyAll(store: Store): Promise<void> {
  const { entries } = await store.range({ start: '', end: '~' });
  for (const { key, value } of entries) numberOf(key, value);
  const revisions = new Set<number>();
  let last = 0;
  store.watch({
    start: '',
    end: '~',
    fromRevision: store.compactedRevision + 1,
    onEvents: (events) => {
      for (const event of events) {
        assert.ok(event.revision >= last, 'history is out of order');
        last = event.revision;
        revisions.add(last);
        numberOf(event.key, event.value!);
      }
    },
    onEnd: assert.ifError,
  });
  while (last < store.revision && store.revision > store.compactedRevision) await new Promise(setImmediate);
  assert.equal(revisions.size, store.revision - store.compactedRevision - (store.compactedRevision === 0 ? 1 : 0));
}
