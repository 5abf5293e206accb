/** Short runs of the system's own programs (mount, tar, sync). */
import { spawn } from 'node:child_process';
import type { Clock } from '../../machinery/index.ts';
import { codeOf } from './errors.ts';

export interface CommandOptions {
  clock: Clock;
  cwd?: string;
  input?: AsyncIterable<Uint8Array>;
  /** Milliseconds after which it is killed; 60,000 unless told. */
  timeout?: number;
}

const kept = 64 << 10;

/**
 * Resolves with what it printed once it exits with 0. Rejects with what it said on stderr otherwise, or with the system's
 * error (`code` ENOENT: the program is not installed). It gets a bare environment, so nothing of ours leaks into it.
 */
export async function command(argv: readonly [string, ...string[]], options: CommandOptions): Promise<string> {
  const [program, ...rest] = argv;
  const child = spawn(program, rest, {
    cwd: options.cwd ?? '/',
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C',
      LIBMOUNT_FORCE_MOUNT2: 'always',
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < kept) stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < kept) stderr += text;
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? -1));
  });
  const timer = options.clock.after(options.timeout ?? 60_000, () => child.kill('SIGKILL'));
  try {
    const fed = feed(child.stdin, options.input);
    const code = await ended;
    await fed;
    if (code !== 0)
      throw new Error(
        `${program} ${rest.at(-1) ?? ''}: ${stderr.trim() || `it ended with ${code === -1 ? 'a signal' : code}`}`,
      );
    return stdout;
  } finally {
    timer.cancel();
  }
}

/** A program that ends early closes the pipe: its exit code tells more than the broken pipe would. */
async function feed(stdin: NodeJS.WritableStream, input: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  let broken: unknown;
  stdin.on('error', (error) => {
    broken = error;
  });
  for await (const chunk of input ?? []) {
    if (broken) break;
    if (!stdin.write(chunk))
      await new Promise<void>((resolve) => {
        stdin.once('drain', resolve);
        stdin.once('close', resolve);
        stdin.once('error', () => resolve());
      });
  }
  stdin.end();
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}
