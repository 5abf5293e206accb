import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Store, StoreCorruptError, StoreFullError, StoreVersionError } from '../store.ts';
import { openEmbeddedStore } from './index.ts';
import { StoreLockedError } from './lock.ts';

const base = mkdtempSync(join(tmpdir(), 'glasshouse-folder-'));
after(() => rmSync(base, { recursive: true, force: true }));
let count = 0;
const folder = () => join(base, String(count++));

const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
const put = (store: Store, key: string, value: string | Uint8Array) =>
  store.txn({ compare: [], writes: [{ key, value: typeof value === 'string' ? Buffer.from(value) : value }] });

test('everything is there after it is opened again: values, revisions, history, the compacted revision', async () => {
  const directory = folder();
  let store = await openEmbeddedStore({ directory });
  await put(store, 'a', '1');
  await put(store, 'a', '2');
  await store.txn({ compare: [], writes: [{ key: 'a', delete: true }] });
  await put(store, 'a', '3');
  await put(store, 'gone', '');
  await store.compact(2);
  await store.txn({ compare: [], writes: [{ key: 'gone', delete: true }] });
  await store.close();

  store = await openEmbeddedStore({ directory });
  assert.deepEqual([store.revision, store.compactedRevision], [7, 2]);
  assert.equal(text((await store.get('a', 3))?.value), '2');
  assert.equal(await store.get('a', 4), undefined);
  const latest = await store.get('a');
  assert.deepEqual([text(latest?.value), latest?.createRevision, latest?.modRevision], ['3', 5, 5]);
  const seen: string[] = [];
  const replayed = Promise.withResolvers<void>();
  const onEvents = (events: { type: string; key: string; revision: number; previousRevision: number }[]) => {
    for (const event of events) seen.push(`${event.revision} ${event.type} ${event.key} ${event.previousRevision}`);
    if (seen.length === 5) replayed.resolve();
  };
  store.watch({ start: '', end: 'zz', fromRevision: 3, onEvents, onEnd() {} });
  await replayed.promise;
  assert.deepEqual(seen, ['3 put a 2', '4 delete a 3', '5 put a 0', '6 put gone 0', '7 delete gone 6']);
  await store.compact(7);
  await store.close();

  store = await openEmbeddedStore({ directory });
  assert.deepEqual([store.revision, store.compactedRevision], [7, 7]);
  assert.equal((await put(store, 'b', '')).revision, 8);
  await store.close();
});

test('what a compaction removes leaves the file: rewriting for ever does not grow it for ever', async () => {
  const directory = folder();
  const store = await openEmbeddedStore({ directory });
  const round = async () => {
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 50 }, (_, k) => put(store, `k${k}`, new Uint8Array(3_000))));
      await store.compact(store.revision);
    }
    return statSync(join(directory, 'data.mdb')).size;
  };
  const first = await round();
  assert.ok((await round()) <= first * 1.5, 'the file keeps growing');
  await store.close();
});

test('a second store on the same folder is refused by the name of who has it', async () => {
  const directory = folder();
  const store = await openEmbeddedStore({ directory });
  await assert.rejects(
    openEmbeddedStore({ directory }),
    new RegExp(`is in use by this process \\(pid ${process.pid}\\)`),
  );
  await store.close();
  const holder = await startHolder(directory);
  const refused = await openEmbeddedStore({ directory }).catch((error: unknown) => error);
  assert.ok(refused instanceof StoreLockedError);
  assert.equal(refused.pid, holder.pid);
  assert.match(refused.message, /is in use by process \d+: stop it first, or choose another folder/);
  holder.kill('SIGKILL');
  await new Promise((resolve) => holder.once('exit', resolve));
  await (await openEmbeddedStore({ directory })).close();
  assert.equal(existsSync(join(directory, 'lock')), false);
});

test('a lock whose pid now belongs to another process does not hold', async () => {
  const directory = folder();
  mkdirSync(directory);
  writeFileSync(join(directory, 'lock'), `${process.ppid} some-earlier-boot 12\n`);
  await (await openEmbeddedStore({ directory })).close();
});

async function startHolder(directory: string) {
  const program = `import { openEmbeddedStore } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    await openEmbeddedStore({ directory: process.argv[1] }); process.send('open'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program, directory], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await new Promise((resolve) => child.once('message', resolve));
  return child;
}

test('data of a newer version is refused, naming both versions, and left alone', async () => {
  const directory = folder();
  await (await openEmbeddedStore({ directory })).close();
  writeFileSync(join(directory, 'format.json'), '{"format":7}\n');
  const before = readFileSync(join(directory, 'data.mdb'));
  await assert.rejects(openEmbeddedStore({ directory }), (error: Error) => {
    assert.ok(error instanceof StoreVersionError);
    assert.match(error.message, /has format 7, .* knows formats up to 1: run the newer version/);
    return true;
  });
  assert.deepEqual(readFileSync(join(directory, 'data.mdb')), before);
  assert.equal(existsSync(join(directory, 'lock')), false);
});

async function filled(): Promise<string> {
  const directory = folder();
  const store = await openEmbeddedStore({ directory });
  for (let i = 0; i < 50; i++) await put(store, `k${i}`, Buffer.alloc(5_000, i));
  await store.close();
  return directory;
}

const damages: { name: string; damage: (file: string, size: number) => void; want: RegExp }[] = [
  { name: 'cut to half', damage: (file, size) => truncateSync(file, size / 2), want: /is damaged/ },
  { name: 'cut in its header', damage: (file) => truncateSync(file, 100), want: /has no valid header/ },
  { name: 'of something else', damage: (file) => writeFileSync(file, 'x'.repeat(50_000)), want: /has no valid header/ },
  { name: 'with zeros where the newest values are', damage: (file, size) => zero(file, size / 2), want: /is damaged/ },
];

function zero(file: string, from: number): void {
  const content = readFileSync(file);
  writeFileSync(file, content.fill(0, from));
}

for (const { name, damage, want } of damages) {
  test(`a data file ${name} is refused with a clear error`, async () => {
    const directory = await filled();
    const file = join(directory, 'data.mdb');
    damage(file, statSync(file).size);
    const refused = await openEmbeddedStore({ directory }).catch((error: unknown) => error);
    assert.ok(refused instanceof StoreCorruptError, `got ${refused}`);
    assert.match(refused.message, want);
    assert.match(refused.message, /restore it from a backup, or start with an empty folder/);
  });
}

test('a full disk refuses writes, loses nothing, and takes writes again once there is room', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('mounting a small file system needs root');
  const mount = folder();
  mkdirSync(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', mount], { stdio: 'ignore' });
  } catch {
    return t.skip('a tmpfs cannot be mounted here');
  }
  try {
    await fillUp(mount);
  } finally {
    execFileSync('umount', ['-l', mount]);
  }
});

async function fillUp(mount: string): Promise<void> {
  const ballast = join(mount, 'ballast');
  writeFileSync(ballast, Buffer.alloc(1 << 20));
  const directory = join(mount, 'data');
  let store = await openEmbeddedStore({ directory });
  const kept = new Map<string, number>();
  const refused: string[] = [];
  for (let i = 0; i < 300; i++) {
    try {
      kept.set(`k${i}`, (await put(store, `k${i}`, Buffer.alloc(20_000, i))).revision);
    } catch (error) {
      assert.ok(error instanceof StoreFullError, `got ${error}`);
      refused.push(`k${i}`);
      if (refused.length === 5) break;
    }
  }
  assert.ok(kept.size > 10 && refused.length === 5, `${kept.size} kept, ${refused.length} refused`);
  const { revision } = store;
  rmSync(ballast);
  kept.set('after', (await put(store, 'after', Buffer.alloc(20_000, 1))).revision);
  assert.equal(kept.get('after'), revision + 1);
  await store.close();
  store = await openEmbeddedStore({ directory });
  for (const [key, at] of kept) assert.equal((await store.get(key))?.modRevision, at, key);
  for (const key of refused) assert.equal(await store.get(key), undefined, key);
  await store.close();
}
