/** A container's log as the API gives it: the last lines, from a time, as it grows, within a number of bytes. */
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Clock, StatusError } from '../machinery/index.ts';

export interface LogOptions {
  follow: boolean;
  timestamps: boolean;
  previous: boolean;
  tailLines: number | undefined;
  /** Milliseconds since the epoch. */
  since: number | undefined;
  limitBytes: number | undefined;
  stream: 'All' | 'Stdout' | 'Stderr';
}

/** Throws `BadRequest`, naming the parameter. */
export function parseLogQuery(query: URLSearchParams, now: number): LogOptions {
  const flag = (name: string) => ['1', 'true'].includes(query.get(name) ?? '');
  const whole = (name: string, least: number) => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw StatusError.badRequest(`${name}: "${text}" must be a whole number of at least ${least}`);
    return value;
  };
  const seconds = whole('sinceSeconds', 1);
  const time = query.get('sinceTime');
  const since = time ? Date.parse(time) : seconds === undefined ? undefined : now - seconds * 1000;
  if (Number.isNaN(since)) throw StatusError.badRequest(`sinceTime: "${time}" is not an RFC 3339 time`);
  const stream = (query.get('stream') || 'All') as LogOptions['stream'];
  if (!['All', 'Stdout', 'Stderr'].includes(stream))
    throw StatusError.badRequest(`stream: "${stream}" must be All, Stdout or Stderr`);
  return {
    follow: flag('follow'),
    timestamps: flag('timestamps'),
    previous: flag('previous'),
    tailLines: whole('tailLines', 0),
    since,
    limitBytes: whole('limitBytes', 1),
    stream,
  };
}

/** Whether the container still writes. */
export interface Life {
  ended(): Promise<boolean>;
  /** Calls when it may have ended; returns how to stop listening. */
  onEnd(call: () => void): () => void;
}

const chunkSize = 64 * 1024;
/** A line longer than this is given in parts. */
const longestLine = 256 * 1024;

/** Output of the container; ends with the file, or, following, once the container did. */
export async function* readLog(
  path: string,
  options: LogOptions,
  clock: Clock,
  signal: AbortSignal,
  life: Life,
): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Infinity;
  const files = [...(await rotated(path)), path];
  const first = options.tailLines === undefined ? 0 : await firstOfTail(files, options);
  let skip = options.tailLines === undefined ? 0 : first;
  for (const [index, file] of files.entries()) {
    const follow = options.follow && index === files.length - 1;
    for await (const line of linesOf(file, follow ? { clock, signal, life } : undefined)) {
      const shown = render(line, options);
      if (!shown) continue;
      if (skip > 0) {
        skip--;
        continue;
      }
      const part = shown.length > left ? shown.subarray(0, left) : shown;
      yield part;
      left -= part.length;
      if (left <= 0) return;
    }
  }
}

/** Earlier files of this log, oldest first. */
async function rotated(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${basename(path)}.`) && !name.endsWith('.gz'))
    .toSorted()
    .map((name) => join(dirname(path), name));
}

/** How many lines to pass over so that `tailLines` remain. */
async function firstOfTail(files: string[], options: LogOptions): Promise<number> {
  let count = 0;
  for (const file of files) {
    for await (const line of linesOf(file, undefined)) if (render(line, options)) count++;
  }
  return Math.max(0, count - (options.tailLines ?? 0));
}

/** `<time> <stream> <F|P> <text>`; undefined when it is not wanted. A partial line comes without its end. */
export function render(line: Buffer, { since, stream, timestamps }: LogOptions): Buffer | undefined {
  const time = line.indexOf(32);
  const name = line.indexOf(32, time + 1);
  const tag = line.indexOf(32, name + 1);
  if (time < 0 || name < 0) return undefined;
  const from = line.toString('latin1', time + 1, name);
  if (stream !== 'All' && stream.toLowerCase() !== from) return undefined;
  const stamp = line.toString('latin1', 0, time);
  if (since !== undefined && Date.parse(stamp) < since) return undefined;
  const partial = line.toString('latin1', name + 1, tag < 0 ? undefined : tag).startsWith('P');
  const text = tag < 0 ? Buffer.alloc(0) : line.subarray(tag + 1);
  return Buffer.concat([
    ...(timestamps ? [Buffer.from(`${stamp} `)] : []),
    text,
    ...(partial ? [] : [Buffer.from('\n')]),
  ]);
}

interface Following {
  clock: Clock;
  signal: AbortSignal;
  life: Life;
}

async function* linesOf(path: string, following: Following | undefined): AsyncGenerator<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    return;
  }
  let changes = following && new Changes(path, following);
  try {
    const buffer = Buffer.alloc(chunkSize);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const over = following ? await following.life.ended() : true;
      const { bytesRead } = await file.read(buffer, 0, chunkSize, null);
      if (bytesRead > 0) {
        const all = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        let from = 0;
        for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, from)) {
          yield Buffer.from(all.subarray(from, end));
          from = end + 1;
        }
        rest = all.length - from > longestLine ? Buffer.alloc(0) : Buffer.from(all.subarray(from));
        continue;
      }
      if (!following || !changes || following.signal.aborted) return;
      const next = await reopened(file, path);
      if (next) {
        await file.close();
        file = next;
        changes.stop();
        changes = new Changes(path, following);
        continue;
      }
      // Asked before the last read: what was written before the end has been given.
      if (over) return;
      await changes.next();
    }
  } finally {
    changes?.stop();
    await file.close();
  }
}

/** The file under this name, when it is another one than that which is open: the log was rotated. */
async function reopened(file: FileHandle, path: string): Promise<FileHandle | undefined> {
  const next = await open(path, 'r').catch(() => undefined);
  if (!next) return undefined;
  const [old, now] = await Promise.all([file.stat(), next.stat()]);
  if (old.ino !== now.ino) return next;
  await next.close();
  return undefined;
}

/** Wakes when the file's folder changes; looks once a second as well, for file systems that do not tell. */
class Changes {
  readonly #watcher: FSWatcher | undefined;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #unlisten: () => void;
  #wake: (() => void) | undefined;
  #changed = false;

  constructor(path: string, { clock, signal, life }: Following) {
    this.#clock = clock;
    this.#signal = signal;
    this.#unlisten = life.onEnd(() => this.#fire());
    try {
      this.#watcher = watch(path, { persistent: false }, () => this.#fire());
      this.#watcher.on('error', () => {});
    } catch {
      this.#watcher = undefined;
    }
  }

  async next(): Promise<void> {
    if (this.#changed || this.#signal.aborted) {
      this.#changed = false;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = this.#clock.after(1000, resolve);
    this.#signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    timer.cancel();
    this.#changed = false;
  }

  stop(): void {
    this.#unlisten();
    this.#watcher?.close();
  }

  #fire(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
