/**
 * The CRI log format: `<RFC 3339 time> <stdout|stderr> <F|P> <text>`; P marks a piece of a line that goes on. Writing it,
 * reading it with `kubectl logs`' options, and following it as it grows and is rotated.
 */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { logFiles, nextLogFile } from './logfiles.ts';
import { watchDirectory } from './waitfile.ts';

const newline = 10;
const chunkSize = 64 * 1024;
/** A line is cut into pieces of this many bytes, as other runtimes do. */
const pieceSize = 16 * 1024;

/** Bytes of one stream as log lines, all with the same time (milliseconds since the epoch). */
export function formatLog(stream: 'stdout' | 'stderr', bytes: Buffer, at: number): Buffer {
  const time = nanoTime(at);
  const full = Buffer.from(`${time} ${stream} F `);
  const part = Buffer.from(`${time} ${stream} P `);
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(newline, from);
    const lineEnd = found < 0 ? bytes.length : found;
    const end = Math.min(lineEnd, from + pieceSize);
    const complete = end === found;
    parts.push(complete ? full : part, bytes.subarray(from, end), Buffer.from('\n'));
    from = complete ? end + 1 : end;
  }
  return Buffer.concat(parts);
}

/** RFC 3339 with nine decimals, in UTC. */
function nanoTime(at: number): string {
  const whole = Math.floor(at);
  const rest = Math.floor((at - whole) * 1e6);
  return `${new Date(whole).toISOString().slice(0, 23)}${String(rest).padStart(6, '0')}Z`;
}

export interface LogEntry {
  /** As it stands in the log. */
  time: string;
  stream: 'stdout' | 'stderr';
  /** The line's, or the piece's, own bytes without its end. */
  text: Buffer;
  /** Whether a line end follows. */
  complete: boolean;
}

/** Undefined for a line that is not in the format, such as one torn by a crash. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(32);
  const second = first < 0 ? -1 : line.indexOf(32, first + 1);
  if (second < 0) return undefined;
  const third = line.indexOf(32, second + 1);
  const stream = line.toString('latin1', first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const tag = line.toString('latin1', second + 1, third < 0 ? line.length : third);
  const text = third < 0 ? Buffer.alloc(0) : line.subarray(third + 1);
  return { time: line.toString('latin1', 0, first), stream, text, complete: !tag.startsWith('P') };
}

export interface LogOptions {
  /** Only the last so many lines; absent: all. */
  tailLines?: number;
  /** Only lines from this time on, milliseconds since the epoch. */
  since?: number;
  /** Each line begins with its time. */
  timestamps?: boolean;
  /** Ends after so many bytes. */
  limitBytes?: number;
  stream?: 'stdout' | 'stderr';
  /** Goes on as the log grows, until `ended` says that no more will come or the signal is aborted. */
  follow?: boolean;
  /** Asked whenever all is read. */
  ended?: () => boolean | Promise<boolean>;
  /** Resolves when `ended` may have changed, so that it is asked again. */
  wake?: (call: () => void) => () => void;
  signal?: AbortSignal;
}

/** The log as a reader wants it, over all files that rotation has left: the programs' own bytes. Rejects with ENOENT when there is no log. */
export async function* readLog(path: string, options: LogOptions = {}): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  let fresh = true;
  for await (const entry of entriesOf(path, options)) {
    if (options.stream && entry.stream !== options.stream) continue;
    if (options.since !== undefined && Date.parse(entry.time) < options.since) continue;
    const stamp = options.timestamps && fresh ? `${entry.time} ` : '';
    fresh = entry.complete;
    const bytes = Buffer.concat([Buffer.from(stamp), entry.text, Buffer.from(entry.complete ? '\n' : '')]);
    yield bytes.length > left ? bytes.subarray(0, left) : bytes;
    left -= bytes.length;
    if (left <= 0) return;
  }
}

/** The entries of a log from where `tailLines` begins; follows it over rotations. */
async function* entriesOf(path: string, options: LogOptions): AsyncGenerator<LogEntry> {
  let { file, position } = await beginningOf(path, options);
  const changes = new Changes(path, options);
  let next: FileHandle | undefined;
  try {
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      // Asked before reading: what is written until then is read below.
      const last = !options.follow || changes.aborted || ((await options.ended?.()) ?? false);
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkSize), 0, chunkSize, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        const lines = splitLines(Buffer.concat([rest, buffer.subarray(0, bytesRead)]));
        rest = lines.rest;
        for (const line of lines.whole) {
          const entry = parseLogLine(line);
          if (entry) yield entry;
        }
        if (changes.aborted) return;
      }
      if (next) {
        await file.close();
        [file, position, rest, next] = [next, 0, Buffer.alloc(0), undefined];
        continue;
      }
      next = await nextLogFile(path, file);
      // This one is read once more: what was written before there was another.
      if (next) continue;
      if (last) return;
      await changes.next();
    }
  } finally {
    changes.close();
    await Promise.all([file.close(), next?.close()]);
  }
}

/** In which file, and where in it, what is asked for begins. */
async function beginningOf(path: string, { tailLines, since = 0 }: LogOptions): Promise<Beginning> {
  const files = await logFiles(path);
  let lines = 0;
  for (let i = files.length - 1; i >= 0; i--) {
    const file = await open(files[i]!.path, 'r');
    const tail = tailLines === undefined ? undefined : await tailOf(file, tailLines, lines);
    lines = tail?.lines ?? 0;
    const older = files[i - 1];
    if (tail?.whole || older === undefined || older.writtenAt < since) return { file, position: tail?.position ?? 0 };
    await file.close();
  }
  // There is none, and this says so.
  return { file: await open(path, 'r'), position: 0 };
}

interface Beginning {
  file: FileHandle;
  position: number;
}

/** Changes of a file, of who asks for it, and of what writes it. */
class Changes {
  readonly #stops: (() => void)[] = [];
  readonly #signal: AbortSignal | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, { follow, wake, signal }: LogOptions) {
    this.#signal = signal;
    if (!follow) return;
    const name = basename(path);
    const tell = () => {
      this.#changed = true;
      this.#wake?.();
    };
    this.#stops.push(watchDirectory(dirname(path), (changed) => changed === name && tell()));
    if (wake) this.#stops.push(wake(tell));
    signal?.addEventListener('abort', tell);
    this.#stops.push(() => signal?.removeEventListener('abort', tell));
  }

  get aborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  async next(): Promise<void> {
    if (!this.#changed && !this.aborted) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
    this.#changed = false;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }
}

interface Tail {
  position: number;
  /** So many lines are counted from there to the end of the log. */
  lines: number;
  /** Nothing before is wanted. */
  whole: boolean;
}

/** Where the last `count` lines begin, of which newer files hold `lines`; pieces of a line count as one with it. */
async function tailOf(file: FileHandle, count: number, lines: number): Promise<Tail> {
  const { size } = await file.stat();
  if (count <= 0) return { position: size, lines, whole: true };
  let rest: Buffer = Buffer.alloc(0);
  let position = size;
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - chunkSize);
    const buffer = Buffer.alloc(end - from);
    await file.read(buffer, 0, buffer.length, from);
    const text = Buffer.concat([buffer, rest]);
    let lineEnd = text.length;
    // The start of the block may be the middle of a line: it waits for the block before.
    for (;;) {
      const before = lineEnd < 2 ? -1 : text.lastIndexOf(newline, lineEnd - 2);
      if (before < 0 && from > 0) break;
      const entry = parseLogLine(text.subarray(before + 1, lineEnd - 1));
      if (entry?.complete || lines === 0) lines += 1;
      if (lines > count) return { position, lines, whole: true };
      position = from + before + 1;
      lineEnd = before + 1;
      if (before < 0) break;
    }
    rest = Buffer.from(text.subarray(0, lineEnd));
    end = from;
  }
  return { position, lines, whole: false };
}

function splitLines(bytes: Buffer): { whole: Buffer[]; rest: Buffer } {
  const whole: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
    whole.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return { whole, rest: bytes.subarray(from) };
}
