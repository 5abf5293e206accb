import { mkdirSync, statfsSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import type { Log, Recovered } from '../log.ts';
import { MvccStore } from '../mvcc.ts';
import { type Store, StoreCorruptError, StoreFullError } from '../store.ts';
import type { Version } from '../version.ts';
import { checkFormat, dataFile, mendLength, syncDirectory } from './file.ts';
import { lockDirectory } from './lock.ts';
import { decodeVersion, encodeVersion, isIntact, recordKey, type StoredVersion } from './records.ts';

export interface EmbeddedOptions {
  /** Made if it is not there. One process at a time. */
  directory: string;
}

/** Values read before other work gets its turn. */
const readTogether = 256;
/** The newest writes, whose values are checked at every start. */
const recheck = 64;

const environment: RootDatabaseOptionsWithPath & { txnStartThreshold: number } = {
  noSubdir: true,
  overlappingSync: false,
  // One flush for what this store hands over together, at once rather than at the end of the turn.
  eventTurnBatching: false,
  txnStartThreshold: 1,
  // Objects of 2 and 3 KB waste a third of a 4 KB page and fit here; measured a third faster, and a third smaller.
  pageSize: 8_192,
  // Address space only; it grows as needed.
  mapSize: 2 ** 30,
};

/**
 * Keeps everything in one folder of this machine, in an LMDB file: a table of values and a small one of what was written
 * when, so that opening reads no values. A transaction is answered once it is on disk; LMDB writes on a thread of its own.
 * Rejects with `StoreLockedError`, `StoreVersionError` or `StoreCorruptError`, each of which says what to do.
 */
export async function openEmbeddedStore({ directory }: EmbeddedOptions): Promise<Store> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  try {
    checkFormat(directory);
    const suspect = mendLength(directory);
    const log = new EmbeddedLog(directory, unlock);
    try {
      return new MvccStore(log, await log.recover(suspect));
    } catch (error) {
      await log.close();
      throw error;
    }
  } catch (error) {
    unlock();
    throw isFull(error) ? new StoreFullError(error) : error;
  }
}

class EmbeddedLog implements Log {
  readonly keepsValues = false;
  readonly #directory: string;
  readonly #unlock: () => void;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #values: Database<Uint8Array, Buffer>;
  readonly #versions: Database<Buffer, Buffer>;
  readonly #facts: Database<string, string>;
  readonly #reads = new Set<Promise<unknown>>();

  constructor(directory: string, unlock: () => void) {
    this.#directory = directory;
    this.#unlock = unlock;
    try {
      this.#root = open<Buffer, Buffer>({ path: join(directory, dataFile), ...environment });
      const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
      this.#values = this.#root.openDB('values', binary);
      this.#versions = this.#root.openDB('versions', binary);
      this.#facts = this.#root.openDB('facts', { encoding: 'json' });
    } catch (error) {
      if (isFull(error)) throw error;
      throw new StoreCorruptError(directory, `${dataFile} cannot be opened: ${(error as Error).message}`, error);
    }
    syncDirectory(directory);
  }

  async recover(suspect: boolean): Promise<Recovered> {
    try {
      const versions: StoredVersion[] = [];
      for (const { key, value } of this.#versions.getRange({})) versions.push(decodeVersion(key, value));
      await this.#check(suspect ? versions : versions.slice(-recheck));
      const compactedRevision = Number(this.#facts.get('compactedRevision') ?? 0);
      const revision = Math.max(1, compactedRevision, versions.at(-1)?.revision ?? 0);
      return { revision, compactedRevision, versions };
    } catch (error) {
      if (error instanceof StoreCorruptError) throw error;
      throw new StoreCorruptError(this.#directory, `${dataFile} cannot be read: ${(error as Error).message}`, error);
    }
  }

  async append(versions: readonly Version[]): Promise<void> {
    const appended: PromiseLike<boolean>[] = [];
    const queue = () => {
      for (const version of versions) {
        const key = recordKey(version);
        if (version.value !== undefined) appended.push(append(this.#values, key, version.value));
        appended.push(append(this.#versions, key, encodeVersion(version)));
      }
    };
    const done = await this.#write(queue, appended);
    if (done.every(Boolean)) return;
    throw new StoreCorruptError(this.#directory, `revision ${versions[0]?.revision} is not the newest in ${dataFile}`);
  }

  read(versions: readonly Version[]): Uint8Array[] | Promise<Uint8Array[]> {
    if (versions.length <= readTogether) return versions.map((version) => this.#read(version));
    const reading = this.#readMany(versions);
    this.#reads.add(reading);
    const done = () => this.#reads.delete(reading);
    reading.then(done, done);
    return reading;
  }

  async forget(versions: readonly Version[], revision: number): Promise<void> {
    await this.#write(() => {
      // In the same breath or before: whoever finds records of a compacted revision afterwards knows that they may go.
      void this.#facts.put('compactedRevision', String(revision));
      for (const version of versions) {
        const key = recordKey(version);
        if (!version.deleted) void this.#values.remove(key);
        void this.#versions.remove(key);
      }
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#reads);
    await this.#root.close();
    this.#unlock();
  }

  #read(version: Version, transaction?: ReturnType<Database['useReadTransaction']>): Uint8Array {
    if (version.deleted) return nothing;
    const value = this.#values.get(recordKey(version), transaction && { transaction });
    if (value !== undefined) return value;
    throw new StoreCorruptError(
      this.#directory,
      `the value of ${version.key} at revision ${version.revision} is missing`,
    );
  }

  /** Sees the moment of the call throughout, whatever is compacted meanwhile. */
  async #readMany(versions: readonly Version[]): Promise<Uint8Array[]> {
    const transaction = this.#values.useReadTransaction();
    try {
      const values: Uint8Array[] = [];
      for (const version of versions) {
        if (values.length > 0 && values.length % readTogether === 0) await turn();
        values.push(this.#read(version, transaction));
      }
      return values;
    } finally {
      transaction.done();
    }
  }

  async #check(versions: readonly StoredVersion[]): Promise<void> {
    for (const [at, version] of versions.entries()) {
      if (at % readTogether === readTogether - 1) await turn();
      if (isIntact(version, version.deleted ? undefined : this.#values.get(recordKey(version)))) continue;
      throw new StoreCorruptError(
        this.#directory,
        `the value of ${version.key} at revision ${version.revision} is damaged`,
      );
    }
  }

  /** All that `queue` puts and removes becomes durable together, or nothing does. */
  async #write(queue: () => void, also: readonly PromiseLike<boolean>[] = []): Promise<boolean[]> {
    try {
      const done = this.#root.batch(queue);
      return await Promise.all([done, ...also]);
    } catch (error) {
      const cause = await causeOf(error);
      throw isFull(cause) || isShortWrite(cause, this.#directory) ? new StoreFullError(cause) : cause;
    }
  }
}

const nothing = new Uint8Array();

/** lmdb takes options where its types name a version only. Keys only grow; told so, LMDB fills its pages to the brim. */
const atTheEnd = { append: true } as unknown as number;

/** Its promise must not be left alone: it rejects when the commit fails, and is false when the key was not the greatest. */
function append<V>(table: Database<V, Buffer>, key: Buffer, value: V): PromiseLike<boolean> {
  return table.put(key, value, atTheEnd);
}

/** lmdb tells why a commit failed by a second promise, which rejects. */
async function causeOf(error: unknown): Promise<unknown> {
  const reason = (error as { commitError?: Promise<never> }).commitError;
  return reason === undefined ? error : reason.catch((cause: unknown) => cause);
}

const mapFull = -30_792;
const noRoomCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT', 28, 122, mapFull];

function isFull(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: string };
  return noRoomCodes.includes(code) || /no space left|quota exceeded|MDB_MAP_FULL/i.test(message ?? '');
}

/** Where less than this is free, a write that was cut short was so for lack of room. */
const littleRoom = 16 << 20;

/** LMDB calls it an I/O error when the system takes only a part of a write, which is what a disk that fills up does. */
function isShortWrite(error: unknown, directory: string): boolean {
  const { code, message } = error as { code?: unknown; message?: string };
  if (code !== 5 && code !== 'EIO' && !/input\/output error/i.test(message ?? '')) return false;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < littleRoom;
}
