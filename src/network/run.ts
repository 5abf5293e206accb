/** Starts a program and waits for it: input on stdin, a deadline, bounded output, nothing of our environment. */
import { spawn } from 'node:child_process';

export interface RunOptions {
  input?: string;
  /** Milliseconds until it is killed; 10,000 when absent. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Resolves with stdout when the program ends with 0; rejects with a `RunError` otherwise. */
export type Run = (command: string, args: readonly string[], options?: RunOptions) => Promise<string>;

export class RunError extends Error {
  /** Absent when it could not be started or was killed. */
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(command: string, args: readonly string[], exitCode: number | undefined, why: string) {
    super(`${command} ${args.join(' ')}: ${why.trim() || `exit code ${exitCode}`}`);
    this.name = 'RunError';
    this.exitCode = exitCode;
    this.stderr = why;
  }
}

const maxOutput = 8 << 20;
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const run: Run = (command, args, options = {}) =>
  new Promise((resolve, reject) => {
    const fail = (code: number | undefined, why: string) => reject(new RunError(command, args, code, why));
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ? `${process.env['PATH']}:${path}` : path, LC_ALL: 'C' },
      timeout: options.timeout ?? 10_000,
      killSignal: 'SIGKILL',
      signal: options.signal,
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    child.on('error', (error: NodeJS.ErrnoException) =>
      fail(undefined, error.code === 'ENOENT' ? `there is no program "${command}" on this machine` : error.message),
    );
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout());
      else if (code === null)
        fail(undefined, `ended by ${signal} (limit ${options.timeout ?? 10_000} ms)\n${stderr()}`);
      else fail(code, stderr());
    });
    // The program may end before it has read everything; its exit code says what there is to say.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxOutput) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
