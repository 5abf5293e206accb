/** A process and those it started, on any system. */
import { readFile, readdir } from 'node:fs/promises';
import type { Clock } from '../../../machinery/index.ts';
import { runCommand } from '../command.ts';
import { readText } from '../procfs.ts';
import type { ContainerStats } from '../runtime.ts';

const clockTicks = 100;
const pageSize = 4096;

/** `root` first, then its descendants. */
export async function processTree(root: number, clock: Clock): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const [pid, parent] of await allProcesses(clock)) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

async function allProcesses(clock: Clock): Promise<[pid: number, parent: number][]> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    return Promise.all(pids.map(async (pid): Promise<[number, number]> => [pid, parentOf(await statOf(pid))]));
  }
  const { stdout } = await runCommand(['ps', '-A', '-o', 'pid=,ppid='], { clock, timeout: 5000 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}

async function statOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
}

/** The fields after the name, which may hold anything. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function parentOf(stat: string): number {
  return Number(fieldsOf(stat)[1] ?? 0);
}

/** What a container's processes use now; processes that have ended and were waited for count as CPU only. */
export async function treeStats(root: number, clock: Clock): Promise<ContainerStats | undefined> {
  if (process.platform !== 'linux' || readText(`/proc/${root}/stat`) === undefined) return undefined;
  const stats = { cpuNanoseconds: 0, memoryBytes: 0, workingSetBytes: 0, pids: 0 };
  for (const pid of await processTree(root, clock)) {
    const fields = fieldsOf(await statOf(pid));
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
    const resident = Number(readText(`/proc/${pid}/statm`)?.split(' ')[1] ?? 0) * pageSize;
    stats.cpuNanoseconds += (ticks * 1e9) / clockTicks;
    stats.memoryBytes += resident;
    stats.pids += Number(fields[17] ?? 0);
  }
  return { ...stats, workingSetBytes: stats.memoryBytes };
}

/** The processes of these sessions; on systems without /proc, those of the process groups. */
export async function sessionMembers(sessions: number[], clock: Clock): Promise<number[]> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const own = await Promise.all(pids.map(async (pid) => sessions.includes(Number(fieldsOf(await statOf(pid))[3]))));
    return pids.filter((_, index) => own[index]);
  }
  const { stdout } = await runCommand(['ps', '-A', '-o', 'pid=,pgid='], { clock, timeout: 5000 });
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  return rows.filter(([, group]) => sessions.includes(group)).map(([pid]) => pid);
}
