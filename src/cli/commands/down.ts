/** `glass down` stops the platform and all that runs on it; `glass reset` forgets everything, too. */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, UsageError } from '../errors.ts';
import { type Places, placesOf } from '../places.ts';
import type { Platform } from '../platform.ts';
import { say } from '../print.ts';
import { readRun, removeRun } from '../runfile.ts';
import { unmergeKubeconfig } from '../userkubeconfig.ts';

const patience = 15_000;

export async function down(platform: Platform, flags: { dataDir?: string }): Promise<void> {
  const places = placesOf(flags.dataDir);
  await stopProcess(places);
  await platform.stopWorkloads(places);
  unmergeKubeconfig(places);
  removeRun(places);
  say('stopped');
}

async function stopProcess(places: Places): Promise<void> {
  const run = readRun(places);
  if (run === undefined) return;
  process.kill(run.pid, 'SIGTERM');
  for (let waited = 0; waited < patience; waited += 50) {
    await sleep(50);
    if (readRun(places)?.pid !== run.pid && !alive(run.pid)) return;
  }
  throw new Failure(
    `process ${run.pid} did not stop within ${patience / 1000} s: look at ${places.log}, or end it with "kill -9 ${run.pid}"`,
  );
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function reset(platform: Platform, flags: { dataDir?: string; yes?: boolean }): Promise<void> {
  const places = placesOf(flags.dataDir);
  if (!flags.yes) throw new UsageError(`this forgets everything in ${places.root}: say so with "glass reset --yes"`);
  await down(platform, flags);
  rmSync(places.root, { recursive: true, force: true });
  say(`forgotten: ${places.root}`);
}
