/**
 * Who is at work on the store. What a pull, an import or a build stores is not reachable by a name until it is done, so the
 * garbage collector, in this or another process, leaves alone whatever is younger than the oldest work that goes on.
 */
import { mkdir, open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../machinery/index.ts';
import { listDirectory, sweep } from './files.ts';
import { isAlive, workName } from './liveness.ts';

export class Leases {
  readonly #directory: string;
  readonly #clock: Clock;
  #shared = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #idle: (() => void)[] = [];

  private constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  static async open(root: string, clock: Clock): Promise<Leases> {
    const directory = path.join(root, 'leases');
    await mkdir(directory, { recursive: true });
    await sweep(directory);
    return new Leases(directory, clock);
  }

  /** Work that stores content: seen by collectors of all processes until it ends. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const file = path.join(this.#directory, workName());
    const handle = await open(file, 'wx');
    const now = this.#clock.now() / 1000;
    await handle.utimes(now, now);
    await handle.close();
    try {
      return await work();
    } finally {
      await rm(file, { force: true });
    }
  }

  /** When the oldest work that still goes on began (milliseconds since the epoch); infinity when there is none. */
  async oldest(): Promise<number> {
    let oldest = Number.POSITIVE_INFINITY;
    for (const name of await listDirectory(this.#directory)) {
      if (!isAlive(name)) continue;
      const info = await stat(path.join(this.#directory, name)).catch(() => undefined);
      if (info) oldest = Math.min(oldest, info.mtimeMs);
    }
    return oldest;
  }

  /** Short work of this process that must not meet the collector half way. */
  async using<T>(work: () => Promise<T>): Promise<T> {
    await this.#turn;
    this.#shared += 1;
    try {
      return await work();
    } finally {
      this.#shared -= 1;
      if (this.#shared === 0) for (const wake of this.#idle.splice(0)) wake();
    }
  }

  /** Alone among all `using` of this process. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn
      .catch(() => undefined)
      .then(async () => {
        while (this.#shared > 0) await new Promise<void>((wake) => void this.#idle.push(wake));
        return await work();
      });
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }
}
