/** A log of lines that keeps its size: a full file is put aside under the time of its end, old ones go. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, write } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../machinery/index.ts';

export interface LogOptions {
  path: string;
  /** Megabytes before it is put aside; absent: 100. */
  maxSize?: number;
  /** How many put aside are kept; absent or 0: all. */
  maxBackups?: number;
  /** Days that they are kept; absent or 0: for ever. */
  maxAge?: number;
  clock: Clock;
  /** Told when lines could not be written; they are lost. */
  failed(error: Error): void;
}

/** Lines that wait while the disk is slow, in bytes: beyond it they are lost, and that is told. */
const waitingLimit = 64 << 20;

export class RotatingLog {
  readonly #options: LogOptions;
  #file: number;
  #size: number;
  #waiting: string[] = [];
  #waitingSize = 0;
  #writing: Promise<void> | undefined;

  /** Throws when the file cannot be opened. */
  constructor(options: LogOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    [this.#file, this.#size] = this.#open();
  }

  /** Returns at once; lines reach the file in order. */
  write(line: string): void {
    if (this.#waitingSize > waitingLimit)
      return this.#options.failed(new Error('the disk is too slow: a line is lost'));
    this.#waiting.push(line);
    this.#waitingSize += line.length;
    this.#writing ??= this.#drain();
  }

  /** Waits until everything is written. */
  async close(): Promise<void> {
    await this.#writing;
    closeSync(this.#file);
  }

  #open(): [number, number] {
    const file = openSync(this.#options.path, 'a', 0o600);
    return [file, fstatSync(file).size];
  }

  async #drain(): Promise<void> {
    await undefined;
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      this.#waitingSize = 0;
      try {
        for (const piece of this.#pieces(lines)) await this.#append(piece);
      } catch (error) {
        this.#options.failed(error as Error);
      }
    }
    this.#writing = undefined;
  }

  /** What goes to one file each. */
  *#pieces(lines: readonly string[]): Generator<Buffer> {
    const limit = (this.#options.maxSize ?? 100) * (1 << 20);
    let piece: Buffer[] = [];
    let size = this.#size;
    for (const line of lines) {
      const bytes = Buffer.from(`${line}\n`);
      if (size > 0 && size + bytes.length > limit) {
        if (piece.length > 0) yield Buffer.concat(piece);
        piece = [];
        this.#rotate();
        size = 0;
      }
      piece.push(bytes);
      size += bytes.length;
    }
    yield Buffer.concat(piece);
  }

  #append(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (from: number) =>
        write(this.#file, bytes, from, (error, written) => {
          if (error !== null) return reject(error);
          this.#size += written;
          if (from + written < bytes.length) go(from + written);
          else resolve();
        });
      go(0);
    });
  }

  #rotate(): void {
    const { path, clock } = this.#options;
    const ending = extname(path);
    const stem = join(dirname(path), basename(path, ending));
    let end = clock.now();
    // in their order by name, even when two are full within a millisecond
    while (existsSync(`${stem}-${fileTime(end)}${ending}`)) end++;
    const aside = `${stem}-${fileTime(end)}${ending}`;
    closeSync(this.#file);
    renameSync(path, aside);
    [this.#file, this.#size] = this.#open();
    this.#forget();
  }

  #forget(): void {
    const { path, maxBackups = 0, maxAge = 0, clock } = this.#options;
    const ending = extname(path);
    const start = `${basename(path, ending)}-`;
    const aside = readdirSync(dirname(path))
      .filter((name) => name.startsWith(start) && name.endsWith(ending))
      .sort()
      .reverse();
    const oldest = fileTime(clock.now() - maxAge * 86_400_000);
    for (const [at, name] of aside.entries()) {
      const tooMany = maxBackups > 0 && at >= maxBackups;
      const tooOld = maxAge > 0 && name.slice(start.length) < oldest;
      if (tooMany || tooOld) rmSync(join(dirname(path), name), { force: true });
    }
  }
}

function fileTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '').replaceAll(':', '-');
}
