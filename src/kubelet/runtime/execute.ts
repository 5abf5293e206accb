/** A command beside a container's own: with pipes, or on a terminal of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../machinery/index.ts';
import { childEnvironment, killQuietly, signalExitCode } from './command.ts';
import { RuntimeError, type Streams } from './runtime.ts';

/** How long output may go on to arrive after the command itself has ended. */
const drainTime = 1000;

export interface ExecuteOptions {
  tty: boolean;
  clock: Clock;
  env?: Record<string, string>;
  cwd?: string;
  signal?: AbortSignal;
  /** Kills what runs inside, before its launcher, of this process id, is killed. */
  kill: (launcher: number) => Promise<void>;
}

/** Resolves with the command's exit code. */
export async function execute(argv: string[], options: ExecuteOptions, streams: Streams): Promise<number> {
  options.signal?.throwIfAborted();
  const code = options.tty ? await onTerminal(argv, options, streams) : await withPipes(argv, options, streams);
  options.signal?.throwIfAborted();
  return code;
}

async function withPipes(argv: string[], options: ExecuteOptions, streams: Streams): Promise<number> {
  const [file, ...args] = argv as [string, ...string[]];
  const child = spawn(file, args, {
    stdio: [streams.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: options.env ?? childEnvironment(),
    detached: true,
    ...(options.cwd && { cwd: options.cwd }),
  });
  const failed = new Promise<never>((_, reject) => {
    child.on('error', (error) =>
      reject(new RuntimeError('RunContainerError', `cannot run ${file}: ${error.message}`, error)),
    );
  });
  const stdout = child.stdout as Readable;
  const stderr = child.stderr as Readable;
  forward(stdout, streams.stdout);
  forward(stderr, streams.stderr);
  if (streams.stdin && child.stdin) {
    child.stdin.on('error', () => undefined);
    streams.stdin.pipe(child.stdin);
  }
  const abort = () => {
    const { pid } = child;
    if (pid !== undefined) void options.kill(pid).finally(() => killQuietly(pid, 'SIGKILL'));
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
    const [code, signal] = (await Promise.race([failed, once(child, 'exit')])) as [
      number | null,
      NodeJS.Signals | null,
    ];
    await closedOrLate(closed, options.clock);
    return code ?? signalExitCode(signal);
  } finally {
    options.signal?.removeEventListener('abort', abort);
    if (child.stdin) streams.stdin?.unpipe(child.stdin);
    stdout.destroy();
    stderr.destroy();
  }
}

function forward(from: Readable, to: Writable | undefined): void {
  if (to) from.pipe(to, { end: false });
  else from.resume();
}

/** A command may leave something running that holds its output: that is not waited for. */
async function closedOrLate(closed: Promise<void>, clock: Clock): Promise<void> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<void>((resolve) => {
    timer = clock.after(drainTime, resolve);
  });
  await Promise.race([closed, late]);
  timer?.cancel();
}

async function onTerminal(argv: string[], options: ExecuteOptions, streams: Streams): Promise<number> {
  const { spawn: spawnTerminal } = await import('@lydell/node-pty');
  const [file, ...args] = argv as [string, ...string[]];
  const terminal = spawnTerminal(file, args, {
    name: 'xterm',
    cols: 80,
    rows: 24,
    env: { TERM: 'xterm', ...(options.env ?? childEnvironment()) },
    encoding: null,
    ...(options.cwd && { cwd: options.cwd }),
  });
  let ended = false;
  const exited = new Promise<number>((resolve) =>
    terminal.onExit(({ exitCode, signal }) => {
      ended = true;
      resolve(signal ? 128 + signal : exitCode);
    }),
  );
  terminal.onData((data: string | Buffer) => streams.stdout?.write(data));
  const typed = (data: Buffer | string) => {
    if (!ended) terminal.write(data as string);
  };
  streams.stdin?.on('data', typed);
  if (streams.resize)
    void resizing(streams.resize, (width, height) => ended || terminal.resize(width, height)).catch(() => undefined);
  const abort = () => {
    void options.kill(terminal.pid).finally(() => ended || terminal.kill('SIGKILL'));
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    return await exited;
  } finally {
    options.signal?.removeEventListener('abort', abort);
    streams.stdin?.off('data', typed);
  }
}

async function resizing(
  sizes: NonNullable<Streams['resize']>,
  resize: (width: number, height: number) => unknown,
): Promise<void> {
  for await (const { width, height } of sizes) if (width > 0 && height > 0) resize(width, height);
}
