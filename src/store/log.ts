import type { Version } from './version.ts';

/** Where a driver keeps what was written. The rest of a store (`mvcc.ts`) is the same for all drivers. */
export interface Log {
  /** Whether versions keep their values in memory; else `read` finds them again. */
  readonly keepsValues: boolean;
  /**
   * Keeps all of the versions or none; they are durable once it resolves. `undefined`: done at once. Never called again
   * before the last call has ended. Rejects with `StoreFullError` when there is no room.
   */
  append(versions: readonly Version[]): Promise<void> | undefined;
  /** The values, in the order asked. A value that reads back damaged rejects. */
  read(versions: readonly Version[]): Uint8Array[] | Promise<Uint8Array[]>;
  /** Lets go of the versions and remembers that all up to `revision` is compacted. May be repeated. */
  forget(versions: readonly Version[], revision: number): Promise<void> | undefined;
  close(): Promise<void> | undefined;
}

/** What a driver found when it was opened. */
export interface Recovered {
  revision: number;
  compactedRevision: number;
  /** Every version it keeps, in the order they were written; `previous` is not filled in. */
  versions: Iterable<Version>;
}
