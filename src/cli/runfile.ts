/** Who runs the cluster of a folder: written by `up`, read by everybody else. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Places } from './places.ts';
import type { RuntimeName } from './platform.ts';

export interface Run {
  pid: number;
  /** Of the process, in clock ticks since boot: tells it from another that got its number. */
  startTime: string;
  port: number;
  runtime: RuntimeName;
  startedAt: string;
}

export function writeRun(places: Places, run: Omit<Run, 'pid' | 'startTime'>): void {
  const mine = { ...run, pid: process.pid, startTime: startTimeOf(process.pid) };
  writeFileSync(places.run, `${JSON.stringify(mine, null, 2)}\n`, { mode: 0o600 });
}

export function removeRun(places: Places): void {
  rmSync(places.run, { force: true });
}

/** Undefined when nothing runs; what a killed process left behind does not count. */
export function readRun(places: Places): Run | undefined {
  try {
    const run = JSON.parse(readFileSync(places.run, 'utf8')) as Run;
    process.kill(run.pid, 0);
    return startTimeOf(run.pid) === run.startTime ? run : undefined;
  } catch (error) {
    // somebody else's process: it is there
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return JSON.parse(readFileSync(places.run, 'utf8')) as Run;
    return undefined;
  }
}

function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
