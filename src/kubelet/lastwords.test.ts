import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { annotation } from './labels.ts';
import { lastWords } from './lastwords.ts';

test('the end of the log speaks for a container that failed without a word, as the program wrote it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'glass-words-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const logPath = join(directory, '0.log');
  const said = async (...lines: string[]) => {
    await writeFile(logPath, lines.map((line) => `2026-01-01T00:00:00Z stdout ${line}\n`).join(''));
    const annotations = { [annotation.terminationMessagePolicy]: 'FallbackToLogsOnError' };
    return lastWords({ logPath, annotations, exitCode: 1 } as never);
  };
  assert.equal(await said('F one', 'F two'), 'one\ntwo\n');
  assert.equal(await said('F one', 'P DONE'), 'one\nDONE');
  assert.equal(await said(), '');
});
