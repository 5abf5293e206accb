/** Keeps containers' logs from filling the disk: a file that grew too large is moved aside, the oldest are removed. */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from './options.ts';
import type { PodTruth } from './truth.ts';

export async function rotateLogs(context: Context, truths: PodTruth[]): Promise<void> {
  for (const { containers } of truths) {
    for (const { id, state, logPath } of containers) {
      if (state !== 'Running') continue;
      try {
        await rotate(context, id, logPath);
      } catch (error) {
        context.log.warn({ container: id, error: String(error) }, 'cannot rotate a log; trying again');
      }
    }
  }
}

async function rotate(context: Context, id: string, path: string): Promise<void> {
  const { maxSize, maxFiles } = context.logRotation;
  const stats = await stat(path).catch(() => undefined);
  if (!stats || stats.size <= maxSize) return;
  const present = new Set(await readdir(dirname(path)));
  const aside = join(dirname(path), asideName(basename(path), context.clock.now(), present));
  await rename(path, aside);
  try {
    await context.runtime.reopenContainerLog(id);
  } catch (error) {
    await rename(aside, path);
    throw error;
  }
  const old = (await readdir(dirname(path))).filter((name) => name.startsWith(`${basename(path)}.`)).toSorted();
  for (const name of old.slice(0, Math.max(0, old.length - (maxFiles - 1))))
    await rm(join(dirname(path), name), { force: true });
}

/** Names sort by age: a second one within the same second gets a number behind, which sorts after the first. */
function asideName(name: string, now: number, present: ReadonlySet<string>): string {
  const time = new Date(now)
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z/g, '')
    .replace('T', '-');
  let aside = `${name}.${time}`;
  for (let n = 1; present.has(aside); n++) aside = `${name}.${time}-${String(n).padStart(4, '0')}`;
  return aside;
}
