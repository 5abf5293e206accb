/**
 * From the raw files that the `sh` shim's output goes to, to the log in the CRI format. Lines get the time at which they
 * were read; those written while nobody read, that of the file's last change. What was read is given back to the disk.
 */
import { type FileHandle, mkdir, open, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../machinery/index.ts';
import { runCommand } from './command.ts';
import { files } from './holder.ts';
import { formatLog } from './logs.ts';
import { readText } from './procfs.ts';
import { watchDirectory } from './waitfile.ts';

const chunkSize = 64 * 1024;
const giveBackAfter = 4 << 20;

type Stream = 'stdout' | 'stderr';
export type Tap = (stream: Stream, bytes: Buffer) => void;

export class LogPump {
  readonly #directory: string;
  readonly #logPath: string;
  readonly #clock: Clock;
  readonly #warn: (error: unknown) => void;
  readonly #offsets: Record<Stream, number>;
  readonly #freed: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly #taps = new Set<Tap>();
  #stop: (() => void) | undefined;
  #log: FileHandle | undefined;
  #reopen = false;
  #running: Promise<void> | undefined;
  #again = false;
  #first = true;

  constructor(directory: string, logPath: string, clock: Clock, warn: (error: unknown) => void) {
    this.#directory = directory;
    this.#logPath = logPath;
    this.#clock = clock;
    this.#warn = warn;
    const [stdout = 0, stderr = 0] = (readText(join(directory, files.offsets)) ?? '').split(' ').map(Number);
    this.#offsets = { stdout, stderr };
  }

  start(): void {
    this.#stop = watchDirectory(this.#directory, (name) => {
      if (name === files.stdout || name === files.stderr) void this.pump();
    });
    void this.pump();
  }

  /** Sees output as it arrives, before it is cut into lines. Returns how to stop. */
  tap(tap: Tap): () => void {
    this.#taps.add(tap);
    return () => this.#taps.delete(tap);
  }

  /** Takes what is there. Calls while one is under way make it look once more. What cannot be written waits in the raw file. */
  pump(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop()
      .catch(this.#warn)
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** The next line goes to a new file at the log's path. */
  async reopen(): Promise<void> {
    this.#reopen = true;
    await this.#running;
    await this.#openLog();
  }

  /** Takes the rest and ends; with `ended`, the raw files are no longer needed. */
  async close(ended: boolean): Promise<void> {
    this.#stop?.();
    await this.pump();
    await this.#log?.close();
    this.#log = undefined;
    if (!ended) return;
    for (const name of [files.stdout, files.stderr, files.offsets])
      await rm(join(this.#directory, name), { force: true });
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (const stream of ['stdout', 'stderr'] as const) await this.#take(stream);
      this.#first = false;
    }
  }

  async #take(stream: Stream): Promise<void> {
    const path = join(this.#directory, files[stream]);
    const raw = await open(path, 'r').catch(() => undefined);
    if (!raw) return;
    try {
      const at = this.#first ? (await raw.stat()).mtimeMs : undefined;
      const buffer = Buffer.allocUnsafe(chunkSize);
      for (;;) {
        const { bytesRead } = await raw.read(buffer, 0, chunkSize, this.#offsets[stream]);
        if (bytesRead === 0) break;
        await this.#write(stream, Buffer.from(buffer.subarray(0, bytesRead)), at ?? this.#clock.now());
      }
    } finally {
      await raw.close();
    }
    await this.#giveBack(stream, path);
  }

  async #write(stream: Stream, bytes: Buffer, at: number): Promise<void> {
    if (!this.#log || this.#reopen) await this.#openLog();
    await this.#log?.write(formatLog(stream, bytes, at));
    this.#offsets[stream] += bytes.length;
    await this.#saveOffsets();
    for (const tap of this.#taps) tap(stream, bytes);
  }

  async #saveOffsets(): Promise<void> {
    const file = await open(join(this.#directory, files.offsets), 'w');
    await file.write(`${this.#offsets.stdout} ${this.#offsets.stderr}`);
    await file.close();
  }

  async #openLog(): Promise<void> {
    this.#reopen = false;
    await this.#log?.close();
    await mkdir(dirname(this.#logPath), { recursive: true });
    this.#log = await open(this.#logPath, 'a', 0o640);
  }

  /** A hole where the read part was: unlike truncating, this cannot lose what is written at the same time. */
  async #giveBack(stream: Stream, path: string): Promise<void> {
    const length = this.#offsets[stream];
    if (length - this.#freed[stream] < giveBackAfter) return;
    this.#freed[stream] = length;
    const argv = ['fallocate', '--punch-hole', '--offset', '0', '--length', String(length), path];
    const done = await runCommand(argv, { clock: this.#clock, timeout: 10_000 }).catch(() => undefined);
    if (done?.code === 0 || process.platform === 'linux') return;
    // Elsewhere there are no holes: a line written in this very instant may be lost.
    await truncate(path, 0);
    this.#offsets[stream] = 0;
    this.#freed[stream] = 0;
    await this.#saveOffsets();
  }
}
