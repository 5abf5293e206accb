/** Joining a running program's streams: its output as it is written, its input through the fifo of the `sh` shim. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../machinery/index.ts';
import { killQuietly, runCommand } from './command.ts';
import { files } from './holder.ts';
import { readLog } from './logs.ts';
import { readText } from './procfs.ts';
import type { LogPump } from './pump.ts';
import { type ContainerConfig, RuntimeError, type Streams } from './runtime.ts';
import { readNumber } from './waitfile.ts';

export const ttyFile = 'tty';

export interface AttachTarget {
  directory: string;
  config: ContainerConfig;
  /** Absent: conmon writes the log, and the log is followed. */
  pump: LogPump | undefined;
  ended: Promise<void>;
  pid: number | undefined;
  clock: Clock;
}

/** Resolves when the program ends or the signal is aborted. */
export async function attachStreams(target: AttachTarget, streams: Streams, signal?: AbortSignal): Promise<void> {
  const { directory, config } = target;
  if (streams.stdin && !config.stdin)
    throw new RuntimeError('NotSupported', `container ${config.metadata.name} has no input: it needs "stdin: true"`);
  const over = new AbortController();
  const stop = () => over.abort();
  signal?.addEventListener('abort', stop);
  void target.ended.then(stop);
  if (signal?.aborted) stop();
  const work: Promise<unknown>[] = [output(target, streams, over.signal)];
  if (streams.stdin) void input(directory, streams.stdin, config.stdinOnce, over.signal).catch(() => undefined);
  if (streams.resize && config.tty) void resizing(target, streams.resize, over.signal).catch(() => undefined);
  try {
    await Promise.all(work);
  } finally {
    signal?.removeEventListener('abort', stop);
    over.abort();
  }
}

async function output(target: AttachTarget, streams: Streams, signal: AbortSignal): Promise<void> {
  const write = (stream: 'stdout' | 'stderr', bytes: Buffer) => {
    (stream === 'stderr' && !target.config.tty ? streams.stderr : streams.stdout)?.write(bytes);
  };
  if (target.pump) {
    const untap = target.pump.tap(write);
    try {
      await aborted(signal);
      await target.pump.pump();
    } finally {
      untap();
    }
    return;
  }
  const follow = async (stream: 'stdout' | 'stderr') => {
    let over = false;
    const wake = (call: () => void) => {
      const tell = () => {
        over = true;
        call();
      };
      signal.addEventListener('abort', tell);
      return () => signal.removeEventListener('abort', tell);
    };
    const options = { stream, follow: true, tailLines: 0, ended: () => over || signal.aborted, wake };
    for await (const bytes of readLog(target.config.logPath, options)) write(stream, bytes);
  };
  await Promise.all([streams.stdout && follow('stdout'), streams.stderr && follow('stderr'), aborted(signal)]);
}

/** Into the fifo, without blocking anyone when the program does not read. */
async function input(directory: string, stdin: Readable, once: boolean, signal: AbortSignal): Promise<void> {
  const fifo = await open(join(directory, files.stdin), constants.O_WRONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd: fifo.fd, readable: false, writable: true });
  try {
    await pipeline(stdin, socket, { signal });
    if (once) closeInput(directory);
  } finally {
    socket.destroy();
    await fifo.close().catch(() => undefined);
  }
}

/** The program sees the end of its input once the one that keeps the fifo open is gone. */
function closeInput(directory: string): void {
  const keeper = readNumber(join(directory, files.stdinKeeper));
  const command = keeper === undefined ? '' : (readText(`/proc/${keeper}/cmdline`) ?? 'sleep');
  if (keeper !== undefined && command.startsWith('sleep')) killQuietly(keeper, 'SIGTERM');
}

async function resizing(
  target: AttachTarget,
  sizes: NonNullable<Streams['resize']>,
  signal: AbortSignal,
): Promise<void> {
  for await (const { width, height } of sizes) {
    if (signal.aborted) return;
    for (const tty of terminalsOf(target)) await setSize(tty, width, height, target.clock);
  }
}

/** That of `script`, and the one that an OCI runtime made inside: not all of them pass a new size on. */
function terminalsOf({ directory, pid }: AttachTarget): string[] {
  const outer = readText(join(directory, ttyFile))?.trim() ?? '';
  const inner = process.platform === 'linux' && pid !== undefined ? [`/proc/${pid}/fd/0`] : [];
  return [...(outer.startsWith('/dev/') ? [outer] : []), ...inner];
}

async function setSize(tty: string, width: number, height: number, clock: Clock): Promise<void> {
  const device = process.platform === 'linux' ? '-F' : '-f';
  const argv = ['stty', device, tty, 'rows', String(height), 'cols', String(width)];
  await runCommand(argv, { clock, timeout: 5000 }).catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
