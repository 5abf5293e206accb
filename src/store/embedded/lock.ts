import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Another process, or this one, has the folder open. */
export class StoreLockedError extends Error {
  readonly pid: number;
  constructor(directory: string, pid: number) {
    const who = pid === process.pid ? `this process (pid ${pid})` : `process ${pid}`;
    super(`the data folder ${directory} is in use by ${who}: stop it first, or choose another folder`);
    this.name = 'StoreLockedError';
    this.pid = pid;
  }
}

/**
 * Takes the folder for this process: a file that names the holder by pid and start time, so that a holder that was killed,
 * or whose pid was given to another, does not hold on. Returns what lets go of it.
 */
export function lockDirectory(directory: string): () => void {
  const lock = join(directory, 'lock');
  const mine = join(directory, `lock.${process.pid}`);
  const content = `${process.pid} ${startOf(process.pid)}\n`;
  writeFileSync(mine, content);
  try {
    // A link appears with its content in it, and fails if the name is taken.
    for (let attempt = 0; attempt < 10; attempt++) {
      if (linked(mine, lock)) return () => release(lock, content);
      const holder = read(lock);
      const pid = Number.parseInt(holder, 10);
      if (isAlive(holder)) throw new StoreLockedError(directory, pid);
      if (holder !== '') clear(lock, holder, `${mine}.stale`);
    }
    throw new Error(`the data folder ${directory} cannot be locked: others take ${lock} at the same time; try again`);
  } finally {
    unlinkSync(mine);
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Moves the lock of a dead holder aside; if another process was quicker, what was moved is its lock and goes back. */
function clear(lock: string, holder: string, aside: string): void {
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (read(aside) !== holder) linked(aside, lock);
  unlinkSync(aside);
}

function release(lock: string, content: string): void {
  if (read(lock) === content) unlinkSync(lock);
}

function isAlive(holder: string): boolean {
  const [pid = '', start = ''] = holder.trim().split(/ (.*)/);
  if (!/^\d+$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startOf(Number(pid));
  return now === '' || start === '' || now === start;
}

/** When the process began, in words that only serve to be compared; '' when this cannot be told. */
function startOf(pid: number): string {
  try {
    if (process.platform !== 'linux') return startByPs(pid);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields after the name, which is in brackets and may hold spaces; the 22nd of all is the start, in ticks since boot.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${start}`;
  } catch {
    return '';
  }
}

function startByPs(pid: number): string {
  return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 2_000 }).trim();
}
