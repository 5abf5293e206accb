/**
 * `ip -batch` for many callers: what arrives while one runs goes together into the next, so a hundred pods at once do
 * not cost a hundred process starts.
 */
import { type Run, RunError } from '../run.ts';

export interface IpBatch {
  /** All lines, in order; a failure undoes with `undo`, and concerns this caller alone. */
  apply(lines: string[], undo?: string[]): Promise<void>;
  /** Lines that remove: what is not there is no failure. */
  remove(lines: string[]): Promise<void>;
}

interface Job {
  lines: string[];
  undo: string[];
  removal: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

const maxJobs = 32;

export function ipBatch(run: Run): IpBatch {
  const waiting: Job[] = [];
  let working = false;
  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    for (let jobs = next(waiting); jobs.length > 0; jobs = next(waiting)) await perform(run, jobs);
    working = false;
  };
  const submit = (lines: string[], undo: string[], removal: boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push({ lines, undo, removal, resolve, reject });
      // Whoever asks in the same turn of the event loop shares the first one, too.
      queueMicrotask(() => void work());
    });
  return {
    apply: (lines, undo = []) => submit(lines, undo, false),
    remove: (lines) => submit(lines, [], true),
  };
}

/** The longest run of jobs of one sort: removals tolerate failing lines, the others stop at the first. */
function next(waiting: Job[]): Job[] {
  const first = waiting[0];
  if (first === undefined) return [];
  let count = 1;
  while (count < maxJobs && waiting[count]?.removal === first.removal) count++;
  return waiting.splice(0, count);
}

async function perform(run: Run, jobs: Job[]): Promise<void> {
  try {
    if (jobs[0]?.removal)
      await removeAll(
        run,
        jobs.flatMap((job) => job.lines),
      );
    else
      await applyAll(
        run,
        jobs.flatMap((job) => job.lines),
      );
    for (const job of jobs) job.resolve();
  } catch (error) {
    for (const job of jobs) await performAlone(run, job, jobs.length > 1, error);
  }
}

async function performAlone(run: Run, job: Job, shared: boolean, error: unknown): Promise<void> {
  try {
    await removeAll(run, job.undo);
    if (!shared) throw error;
    await (job.removal ? removeAll(run, job.lines) : applyAll(run, job.lines));
    job.resolve();
  } catch (own) {
    await removeAll(run, job.undo).catch(() => {});
    job.reject(own);
  }
}

async function applyAll(run: Run, lines: string[]): Promise<void> {
  await run('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
}

const absent = /Cannot find device|No such (file|process|device)|Command failed|^\s*$/;

async function removeAll(run: Run, lines: string[]): Promise<void> {
  if (lines.length === 0) return;
  try {
    await run('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  } catch (error) {
    if (!(error instanceof RunError) || error.exitCode === undefined) throw error;
    if (!error.stderr.split('\n').every((line) => absent.test(line))) throw error;
  }
}
