/** Notices the end of containers by the files their holders write, without asking again and again. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readNumber, watchDirectory } from './waitfile.ts';

export interface Exit {
  id: string;
  code: number;
  /** When the file was written, milliseconds since the epoch. */
  at: number;
}

export class ExitWatch {
  readonly directory: string;
  #stop: (() => void) | undefined;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** Tells of every exit that is there, and of each to come. The same exit may be told again. */
  start(tell: (exit: Exit) => void): void {
    const look = (id: string) => {
      const exit = this.read(id);
      if (exit) tell(exit);
    };
    this.#stop = watchDirectory(this.directory, look);
    for (const id of readdirSync(this.directory)) look(id);
  }

  read(id: string): Exit | undefined {
    const code = readNumber(join(this.directory, id));
    if (code === undefined) return undefined;
    return { id, code, at: statSync(join(this.directory, id), { throwIfNoEntry: false })?.mtimeMs ?? 0 };
  }

  async forget(id: string): Promise<void> {
    await rm(join(this.directory, id), { force: true });
  }

  close(): void {
    this.#stop?.();
  }
}
