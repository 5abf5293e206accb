/** Names for what a process leaves on disk while it works, so that others can tell whether that process still lives. */
import { readFileSync } from 'node:fs';
import { codeOf } from './errors.ts';

let own: string | undefined;
let count = 0;

/** `<pid>-<start>-<n>`: unlike any other name of this or any other process that lives. */
export function workName(): string {
  own ??= `${process.pid}-${startOf(process.pid) ?? '0'}`;
  count += 1;
  return `${own}-${count}`;
}

/** Whether the process that made this `workName` still runs; a name of another form belongs to nobody. */
export function isAlive(name: string): boolean {
  const [pid, start] = name.split('-');
  if (!/^\d+$/.test(pid ?? '')) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  const now = startOf(Number(pid));
  return now === undefined || start === '0' || now === start;
}

/** When a process started, in clock ticks since boot: with the pid, its identity. Only Linux tells. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
