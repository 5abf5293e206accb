import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { rotateLogs } from './logrotation.ts';
import type { Context } from './options.ts';
import type { PodTruth } from './truth.ts';

test('rotations within one second keep every file, in the order of their names', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rotation-'));
  t.after(() => rm(folder, { recursive: true }));
  const logPath = join(folder, '0.log');
  const context = {
    logRotation: { maxSize: 1, maxFiles: 10 },
    clock: { now: () => Date.UTC(2026, 0, 1) },
    runtime: { reopenContainerLog: () => writeFile(logPath, '') },
    log: { warn: assert.fail },
  } as unknown as Context;
  const truths = [{ containers: [{ id: 'c', state: 'Running', logPath }] }] as PodTruth[];
  for (const text of ['first', 'second', 'third']) {
    await writeFile(logPath, text);
    await rotateLogs(context, truths);
  }
  const names = (await readdir(folder)).toSorted().filter((name) => name !== '0.log');
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  assert.deepEqual(texts, ['first', 'second', 'third']);
});
