/** Starting other programs: what they see of our environment, how long they may take, how much they may say. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock } from '../../machinery/index.ts';

const maximumOutput = 64 * 1024;
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** All that a child process inherits. Nothing of ours: it may hold secrets, or options meant for Node. */
export function childEnvironment(more: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? searchPath, HOME: '/', LANG: 'C.UTF-8', ...more };
}

export interface CommandResult {
  /** 128 + n when signal n ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  clock: Clock;
  /** Killed after this many milliseconds. */
  timeout: number;
  env?: Record<string, string>;
  /** Where it works; the root unless told: whatever a program writes there by itself must not land where we happen to be. */
  cwd?: string;
  /** In a session of its own, so that what it leaves running is not tied to us. */
  detached?: boolean;
}

/** Runs a program to its end. Rejects when it cannot be started or takes too long; a failing exit code is an answer. */
export function runCommand(argv: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const [file, ...args] = argv as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: childEnvironment(options.env),
      cwd: options.cwd ?? '/',
      detached: options.detached ?? false,
    });
    const timer = options.clock.after(options.timeout, () => {
      if (options.detached && child.pid) killQuietly(-child.pid, 'SIGKILL');
      child.kill('SIGKILL');
      settle(() => reject(new Error(`${file} did not finish within ${options.timeout} ms`)));
    });
    let settled = false;
    const settle = (call: () => void) => {
      if (settled) return;
      settled = true;
      timer.cancel();
      call();
    };
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    child.on('error', (error) => settle(() => reject(explained(file, error))));
    // Not 'close': what the program left running may hold the pipes open for as long as it lives.
    child.on('exit', (code, signal) =>
      setImmediate(() => {
        const answer = { code: code ?? signalExitCode(signal), stdout: stdout(), stderr: stderr() };
        child.stdout.destroy();
        child.stderr.destroy();
        settle(() => resolve(answer));
      }),
    );
  });
}

/** As `runCommand`, and a failing exit code rejects with what the program said. */
export async function mustRun(argv: readonly string[], options: CommandOptions): Promise<string> {
  const result = await runCommand(argv, options);
  if (result.code === 0) return result.stdout;
  throw new Error(
    `${argv[0]} exited with ${result.code}: ${(result.stderr || result.stdout).trim() || 'it said nothing'}`,
  );
}

export function signalExitCode(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : (constants.signals[signal] ?? 0));
}

/** Sends a signal; a process that is already gone is no error. Returns whether it was there. */
export function killQuietly(pid: number, signal: NodeJS.Signals | number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** `SIGTERM`, `TERM` or `15` as a number; undefined when there is no such signal. */
export function signalNumber(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name) >= 1 && Number(name) <= 64 ? Number(name) : undefined;
  const upper = name.toUpperCase();
  const realtime = /^(?:SIG)?RTMIN(?:\+(\d+))?$/.exec(upper);
  if (realtime) return 34 + Number(realtime[1] ?? 0);
  return constants.signals[(upper.startsWith('SIG') ? upper : `SIG${upper}`) as NodeJS.Signals];
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maximumOutput) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8').slice(0, maximumOutput);
}

function explained(file: string, error: Error): Error {
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return missing ? new Error(`the program ${file} is not installed`, { cause: error }) : error;
}
