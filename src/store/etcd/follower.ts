/**
 * Follows everything that happens in etcd, revision by revision, from one member or another, and says how far this process has come. What
 * happened while no member could be reached is made up for; when etcd has forgotten it by then, the follower is lost for good.
 */
import type { Clock, Timer } from '../../machinery/index.ts';
import { CompactedError, StoreClosedError, type StoreEvent, StoreUnavailableError } from '../store.ts';
import type { Connection, WatchStream } from './connection.ts';
import { eventsOf } from './events.ts';
import type { Keys } from './keys.ts';
import type { WatchAnswer } from './messages.ts';

export interface FollowerOptions {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly endpoints: readonly string[];
  /** The last revision that is known already. */
  readonly revision: number;
  attachmentOf(key: string, value: Uint8Array | undefined): unknown;
  deliver(events: StoreEvent[]): void;
  lost(error: Error): void;
}

interface Waiting {
  readonly revision: number;
  resolve(): void;
  reject(error: Error): void;
}

const pause = 50;
/** Without any member for so long, those who wait are told; in milliseconds. */
const patience = 20_000;

export class Follower {
  readonly #options: FollowerOptions;
  #revision: number;
  #stream: WatchStream | undefined;
  #waiting: Waiting[] = [];
  #down: Timer | undefined;
  #broken: Error | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#revision = options.revision;
    this.#begin();
  }

  get revision(): number {
    return this.#revision;
  }

  /** Resolves once everything up to the revision has been delivered here. */
  reaches(revision: number): Promise<void> | undefined {
    if (revision <= this.#revision) return undefined;
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => this.#waiting.push({ revision, resolve, reject }));
  }

  close(): void {
    this.#fail(new StoreClosedError());
    this.#stream?.cancel();
  }

  #begin(): void {
    const { connection, keys } = this.#options;
    this.#stream = connection.watch(
      { ...keys.all, fromRevision: this.#revision + 1 },
      (answer) => this.#take(answer),
      (error) => this.#again(error),
    );
  }

  #again(error: Error | undefined): void {
    if (this.#broken !== undefined) return;
    this.#down ??= this.#options.clock.after(patience, () => {
      this.#down = undefined;
      for (const { reject } of this.#waiting.splice(0))
        reject(new StoreUnavailableError(this.#options.endpoints, error));
    });
    this.#options.clock.after(pause, () => {
      if (this.#broken === undefined) this.#begin();
    });
  }

  #take(answer: WatchAnswer): void {
    if (answer.compactRevision > 0) {
      const lost = new CompactedError(this.#revision + 1, answer.compactRevision);
      this.#fail(lost);
      this.#stream?.cancel();
      return this.#options.lost(lost);
    }
    if (answer.canceled) {
      this.#stream?.cancel();
      return this.#again(new Error(answer.cancelReason));
    }
    this.#down?.cancel();
    this.#down = undefined;
    if (answer.events.length === 0) return;
    this.#revision = answer.events.at(-1)!.entry.modRevision;
    this.#options.deliver(eventsOf(answer.events, this.#options.keys, this.#options.attachmentOf));
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = waiting.filter(({ revision }) => revision > this.#revision);
    for (const { revision, resolve } of waiting) if (revision <= this.#revision) resolve();
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#down?.cancel();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
