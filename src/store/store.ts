/**
 * The store's contract: an ordered map from keys to bytes, in which every successful transaction gets the next
 * revision, and any moment since the last compaction can be read or watched. Drivers: `memory.ts`, `embedded/`, `etcd/`;
 * `store.suite.ts` holds them all to what is written here.
 *
 * Keys are ordered by their UTF-16 code units (keys are ASCII in practice). Values are opaque and never copied: whoever
 * hands one over, either way, must not change it afterwards.
 */

export interface Entry {
  key: string;
  value: Uint8Array;
  /** The revision that created this key (since its last deletion). */
  createRevision: number;
  /** The revision that wrote this value. */
  modRevision: number;
}

export interface Put {
  key: string;
  value: Uint8Array;
  /** Handed back on this write's event in this process, and nowhere else: spares watchers from parsing the value. */
  attachment?: unknown;
}

export interface Delete {
  key: string;
  delete: true;
  attachment?: unknown;
}

export interface Compare {
  key: string;
  /** The key must have been last written by this revision; 0: the key must not exist. */
  modRevision: number;
}

export interface Transaction {
  compare: Compare[];
  writes: (Put | Delete)[];
}

export type TransactionResult =
  | { ok: true; revision: number }
  /** `entries`: for each comparison, what the key holds (durably) now. */
  | { ok: false; revision: number; entries: (Entry | undefined)[] };

export interface Range {
  /** Inclusive. */
  start: string;
  /** Exclusive. */
  end: string;
  /** Absent: all. 0: none, which leaves the count. */
  limit?: number;
  /** Absent or 0: now. */
  revision?: number;
}

export interface RangeResult {
  entries: Entry[];
  /** The revision that was read at. */
  revision: number;
  /** How many entries of the range follow the last one returned. */
  remaining: number;
}

export interface StoreEvent {
  type: 'put' | 'delete';
  key: string;
  revision: number;
  /** The value written; undefined on a delete. */
  value: Uint8Array | undefined;
  createRevision: number;
  /** The revision of the write that this one replaced; 0: the key did not exist. */
  previousRevision: number;
  attachment: unknown;
}

export interface StoreWatch {
  /** Ends the watch. No event is delivered after it returns. */
  cancel(): void;
}

export interface WatchOptions {
  start: string;
  end: string;
  /** The first revision to deliver, which may lie in the future; absent or 0: from now on. */
  fromRevision?: number;
  /** Whole revisions, in order, each once. Called synchronously: it must not block, and must not throw. */
  onEvents(events: StoreEvent[]): void;
  /**
   * The watch ended by itself, for good: the store closed (no error), a compaction overtook it while it was replaying the
   * past (`CompactedError`), the store failed, or `onEvents` threw.
   */
  onEnd(error: Error | undefined): void;
}

export interface Store {
  /** The last durable revision. A new store is at 1. */
  readonly revision: number;
  /** Revisions at or below this can no longer be read (except as the present) or watched from. */
  readonly compactedRevision: number;

  get(key: string, revision?: number): Promise<Entry | undefined>;
  range(range: Range): Promise<RangeResult>;

  /**
   * Applies all writes, or none. It resolves once the outcome is durable, after the events of its revision were
   * delivered to every watcher. Transactions take effect in the order of the calls (over etcd: those that share a key do); those made
   * before one flush share it. A comparison sees transactions that are ahead of it but not yet durable, and its failure is reported only once they are.
   * A transaction that changes nothing (it has no writes, or only deletes what does not exist) takes no revision and answers
   * with the present one. A key may be written once. Up to `writesTogether` comparisons and as many writes fit every driver. Rejects with `StoreFullError` when there is no room (nothing was written; later transactions may succeed) and with
   * `StoreClosedError` after `close`; where the store is another process, also with `StoreTooLargeError`, and with `StoreUnavailableError` when
   * it was out of reach, which leaves open whether the transaction took effect.
   */
  txn(transaction: Transaction): Promise<TransactionResult>;

  /**
   * Throws `CompactedError` when `fromRevision` is compacted. Events since `fromRevision` are delivered first, in a later
   * turn. Callbacks may call the store; what they write is delivered after what is being delivered.
   */
  watch(options: WatchOptions): StoreWatch;

  /**
   * Forgets what was overwritten or deleted at or before `revision`. Repeating it does nothing. Rejects with
   * `FutureRevisionError` for a revision that has not happened.
   */
  compact(revision: number): Promise<void>;

  /**
   * Whether a key's value is kept in another way than it would be written now, so that writing it again makes a difference though nothing
   * changes. Absent: never.
   */
  stale?(key: string): boolean;

  /** Waits for what is under way; everything acknowledged stays. */
  close(): Promise<void>;
}

/** The revision asked for is older than what the store keeps. */
export class CompactedError extends Error {
  readonly compactedRevision: number;
  constructor(asked: number, compactedRevision: number) {
    super(`revision ${asked} has been compacted; the oldest that can be read is ${compactedRevision + 1}`);
    this.name = 'CompactedError';
    this.compactedRevision = compactedRevision;
  }
}

/** The revision asked for has not happened yet. */
export class FutureRevisionError extends Error {
  constructor(asked: number, revision: number) {
    super(`revision ${asked} has not happened yet; the store is at ${revision}`);
    this.name = 'FutureRevisionError';
  }
}

export class StoreClosedError extends Error {
  constructor() {
    super('the store is closed');
    this.name = 'StoreClosedError';
  }
}

export class StoreFullError extends Error {
  constructor(cause: unknown) {
    super('the store has no room left on its disk', { cause });
    this.name = 'StoreFullError';
  }
}

/** What a transaction may compare and write at most to be carried out by every driver. */
export const writesTogether = 100;

/** The store is elsewhere and does not answer. Whether a transaction that ends so took effect is not known. */
export class StoreUnavailableError extends Error {
  constructor(endpoints: readonly string[], cause: unknown) {
    const reason = (cause as { details?: string })?.details ?? (cause as Error | undefined)?.message ?? 'no answer';
    super(`etcd cannot be reached at ${endpoints.join(', ')}: ${reason}`, { cause });
    this.name = 'StoreUnavailableError';
  }
}

/** More than the store takes at once. Nothing was written. */
export class StoreTooLargeError extends Error {
  constructor(reason: string, cause: unknown) {
    super(`the store refused the transaction for its size: ${reason}`, { cause });
    this.name = 'StoreTooLargeError';
  }
}

/** What is on disk is not what was written. Nothing was changed. */
export class StoreCorruptError extends Error {
  constructor(directory: string, what: string, cause?: unknown) {
    super(`the data folder ${directory} is damaged: ${what}; restore it from a backup, or start with an empty folder`, {
      cause,
    });
    this.name = 'StoreCorruptError';
  }
}

/** The data was written by a newer version. Nothing was changed. */
export class StoreVersionError extends Error {
  constructor(directory: string, found: number, known: number) {
    super(
      `the data folder ${directory} has format ${found}, written by a newer version; this version knows formats up to ${known}: run the newer version, or choose another folder`,
    );
    this.name = 'StoreVersionError';
  }
}
