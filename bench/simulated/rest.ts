/** What a cluster costs while nothing happens in it, and whose work that is. */
import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Rest {
  /** Per cent of a core, of the whole process; the sampling included. */
  all: number;
  /** Of that, what was under a file whose address has one of the parts. */
  of: number;
}

/** Over so many milliseconds, by samples of the stack. */
export async function atRest(milliseconds: number, parts: readonly string[]): Promise<Rest> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  const before = process.cpuUsage();
  await sleep(milliseconds);
  const { user, system } = process.cpuUsage(before);
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const microseconds = milliseconds * 1000;
  return { all: ((user + system) / microseconds) * 100, of: (timeUnder(profile, parts) / microseconds) * 100 };
}

/** Microseconds. */
function timeUnder({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile, parts: readonly string[]): number {
  const isOurs = new Set<number>();
  // parents come before their children
  for (const { id, callFrame, children = [] } of nodes) {
    if (parts.some((part) => callFrame.url.includes(part))) isOurs.add(id);
    if (isOurs.has(id)) for (const child of children) isOurs.add(child);
  }
  return samples.reduce((sum, id, at) => sum + (isOurs.has(id) ? timeDeltas[at]! : 0), 0);
}
