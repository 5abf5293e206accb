/**
 * The driver `etcd`: the store is an etcd cluster (3.4 or later, version 3 of its API), which several processes share. Keys and revisions are
 * etcd's own. One watch over everything tells this process of every revision, its own writes included; a transaction is answered once that
 * watch has brought it, so that here, too, watchers hear of a write before its writer does.
 */
import { status, type ServiceError } from '@grpc/grpc-js';
import { checkTransaction } from '../batch.ts';
import type {
  Delete,
  Entry,
  Put,
  Range,
  RangeResult,
  Store,
  StoreWatch,
  Transaction,
  TransactionResult,
  WatchOptions,
} from '../store.ts';
import { CompactedError, FutureRevisionError, StoreClosedError, StoreTooLargeError } from '../store.ts';
import { Watch } from '../watch.ts';
import { Watches } from '../watches.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { Follower } from './follower.ts';
import { Keys } from './keys.ts';
import { Lanes } from './lanes.ts';
import {
  decodeHeader,
  decodeRange,
  decodeTxn,
  encodeCompaction,
  encodeRange,
  encodeTxn,
  type KeyValue,
  type RangeAnswer,
  type RangeQuestion,
} from './messages.ts';
import { replay } from './replay.ts';

export interface EtcdOptions extends ConnectionOptions {
  /** Before every key, where etcd holds other things, too. */
  prefix?: string;
  /**
   * All transactions take effect in the order of their calls, one after the other. Otherwise only those that share a key do, and the others
   * share etcd's flushes.
   */
  ordered?: boolean;
}

/** Entries asked for at once: about what can be read without holding up the event loop. */
const page = 500;

/** Rejects with `StoreUnavailableError` when no member answers. */
export async function openEtcdStore(options: EtcdOptions): Promise<Store> {
  const connection = new Connection(options);
  try {
    const keys = new Keys(options.prefix ?? '');
    const { revision } = await askRange(connection, { key: keys.all.key, countOnly: true });
    return new EtcdStore(options, connection, keys, revision, await compactedIn(connection, keys));
  } catch (error) {
    connection.close();
    throw error;
  }
}

function askRange(connection: Connection, question: RangeQuestion): Promise<RangeAnswer> {
  return connection.ask('/etcdserverpb.KV/Range', () => encodeRange(question), decodeRange);
}

/** etcd names its last compaction only to those who ask for what is gone. */
async function compactedIn(connection: Connection, keys: Keys): Promise<number> {
  try {
    await askRange(connection, { key: keys.all.key, countOnly: true, revision: 1 });
    return 0;
  } catch (error) {
    if (!isCompacted(error)) throw error;
  }
  return new Promise((resolve) => {
    const stream = connection.watch(
      { ...keys.all, fromRevision: 1 },
      ({ compactRevision }) => {
        if (compactRevision === 0) return;
        stream.cancel();
        resolve(compactRevision);
      },
      () => resolve(0),
    );
  });
}

class EtcdStore implements Store {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #lanes: Lanes;
  readonly #watches = new Watches();
  readonly #open = new Set<Watch>();
  readonly #follower: Follower;
  /** What compaction lets finish: reads, and replays. */
  readonly #readers = new Set<Promise<unknown>>();
  readonly #writers = new Set<Promise<unknown>>();
  /** What this process is writing: who hears of it by the watch gets the attachment from here. */
  readonly #writing = new Map<string, Put | Delete>();
  #compacting: Promise<void> = Promise.resolve();
  #compacted: number;
  #closed: Promise<void> | undefined;

  constructor(options: EtcdOptions, connection: Connection, keys: Keys, revision: number, compacted: number) {
    this.#connection = connection;
    this.#keys = keys;
    this.#compacted = compacted;
    this.#lanes = new Lanes(options.ordered === true);
    this.#follower = new Follower({
      connection,
      keys,
      clock: options.clock,
      endpoints: options.endpoints,
      revision,
      attachmentOf: (key, value) => attachmentOf(this.#writing.get(key), value),
      deliver: (events) => this.#watches.deliver(events),
      lost: (error) => {
        for (const watch of this.#open) watch.fail(error);
      },
    });
  }

  get revision(): number {
    return this.#follower.revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  get(key: string, revision?: number): Promise<Entry | undefined> {
    return this.#read(async () => {
      const at = this.#readable(revision);
      const answer = await this.#ask({ key: this.#keys.encode(key), revision: at }, at);
      await this.#follower.reaches(answer.revision);
      return this.#entryOf(answer.entries[0]);
    });
  }

  range(range: Range): Promise<RangeResult> {
    return this.#read(() => this.#range(range));
  }

  txn(transaction: Transaction): Promise<TransactionResult> {
    if (this.#closed !== undefined) return Promise.reject(new StoreClosedError());
    try {
      checkTransaction(transaction);
    } catch (error) {
      return Promise.reject(error);
    }
    return tracked(
      this.#writers,
      this.#lanes.run(transaction, () => this.#write(transaction)),
    );
  }

  watch(options: WatchOptions): StoreWatch {
    if (this.#closed !== undefined) throw new StoreClosedError();
    const next = options.fromRevision || this.revision + 1;
    if (next <= this.#compacted) throw new CompactedError(next, this.#compacted);
    let cut = () => {};
    const watch = new Watch(options, next, this.#watches, (ended) => {
      this.#open.delete(ended);
      cut();
    });
    this.#open.add(watch);
    if (next > this.revision) watch.live();
    else {
      const replaying = replay(watch, this.#connection, this.#keys, () => this.revision);
      cut = replaying.cancel;
      void tracked(this.#readers, replaying.done);
    }
    return watch;
  }

  compact(revision: number): Promise<void> {
    const done = this.#compacting.then(() => this.#compact(revision));
    this.#compacting = done.catch(() => {});
    return done;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #read<T>(read: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new StoreClosedError());
    return tracked(this.#readers, read());
  }

  #readable(revision: number | undefined): number {
    if (!revision) return 0;
    if (revision <= this.#compacted && revision !== this.revision) throw new CompactedError(revision, this.#compacted);
    return revision;
  }

  async #range({ start, end, limit, revision }: Range): Promise<RangeResult> {
    const asked = this.#readable(revision);
    const wanted = limit ?? Number.POSITIVE_INFINITY;
    const entries: Entry[] = [];
    let at = asked;
    let remaining = 0;
    let from = start;
    do {
      const question = { ...this.#keys.range(from, end), revision: at, ...sizeOf(wanted - entries.length) };
      const answer = await this.#ask(question, at);
      if (at === 0) at = answer.revision;
      for (const entry of answer.entries) entries.push(this.#entryOf(entry)!);
      remaining = start < end ? answer.count - answer.entries.length : 0;
      if (entries.length > 0) from = `${entries.at(-1)!.key}\0`;
    } while (remaining > 0 && entries.length < wanted);
    await this.#follower.reaches(at);
    return { entries, revision: at, remaining };
  }

  async #ask(question: RangeQuestion, at: number): Promise<RangeAnswer> {
    try {
      return await askRange(this.#connection, question);
    } catch (error) {
      if (isCompacted(error)) throw new CompactedError(at, Math.max(at, this.#compacted));
      if (isFuture(error)) throw new FutureRevisionError(at, this.revision);
      throw error;
    }
  }

  #entryOf(found: KeyValue | undefined): Entry | undefined {
    return found && { ...found, key: this.#keys.decode(found.key) };
  }

  async #write({ compare, writes }: Transaction): Promise<TransactionResult> {
    const encode = (key: string) => this.#keys.encode(key);
    const compared = compare.map(({ key, modRevision }) => ({ key: encode(key), modRevision }));
    const written = writes.map((write) => ({ key: encode(write.key), write }));
    const seen = compared.map(({ key }) => key);
    let again = false;
    for (const write of writes) this.#writing.set(write.key, write);
    try {
      const answer = await this.#connection.ask(
        '/etcdserverpb.KV/Txn',
        (repeated) => {
          again = repeated;
          const otherwise = again ? [...seen, ...written.map(({ key }) => key)] : seen;
          return encodeTxn({ compare: compared, writes: written, otherwise });
        },
        decodeTxn,
      );
      await this.#follower.reaches(answer.revision);
      const { revision } = answer;
      if (answer.succeeded) return { ok: true, revision };
      const entries = answer.entries.map((entry) => this.#entryOf(entry));
      // the first asking was heard, and only its answer was lost
      const mine = again ? revisionOfOwn(writes, entries.slice(seen.length), revision) : undefined;
      if (mine !== undefined) return { ok: true, revision: mine };
      return { ok: false, revision, entries: entries.slice(0, seen.length) };
    } catch (error) {
      throw tooLarge(error);
    } finally {
      for (const write of writes) this.#writing.delete(write.key);
    }
  }

  async #compact(revision: number): Promise<void> {
    if (this.#closed !== undefined) throw new StoreClosedError();
    if (revision > this.revision) throw new FutureRevisionError(revision, this.revision);
    if (revision <= this.#compacted) return;
    // from here on nobody begins to read what is about to go, and those who did may finish
    this.#compacted = revision;
    await Promise.allSettled(this.#readers);
    try {
      await this.#connection.ask('/etcdserverpb.KV/Compact', () => encodeCompaction(revision), decodeHeader);
    } catch (error) {
      // another process was first
      if (!isCompacted(error)) throw error;
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#writers);
    await this.#compacting;
    for (const watch of this.#open) watch.fail(undefined);
    await Promise.allSettled(this.#readers);
    this.#follower.close();
    this.#connection.close();
  }
}

function sizeOf(wanted: number): { limit: number } | { countOnly: true } {
  return wanted === 0 ? { countOnly: true } : { limit: Math.min(page, wanted) };
}

function tracked<T>(all: Set<Promise<unknown>>, one: Promise<T>): Promise<T> {
  all.add(one);
  const done = () => all.delete(one);
  one.then(done, done);
  return one;
}

/** Only of the very bytes that are being written: somebody else may have written the key meanwhile. */
function attachmentOf(write: Put | Delete | undefined, value: Uint8Array | undefined): unknown {
  if (write?.attachment === undefined) return undefined;
  const written = 'delete' in write ? undefined : write.value;
  if (written === undefined || value === undefined) return written === value ? write.attachment : undefined;
  return Buffer.compare(written, value) === 0 ? write.attachment : undefined;
}

/** The revision at which all the writes of a transaction are in force as they were meant; undefined: they are not. */
function revisionOfOwn(
  writes: readonly (Put | Delete)[],
  entries: readonly (Entry | undefined)[],
  revision: number,
): number | undefined {
  let mine: number | undefined;
  for (const [at, write] of writes.entries()) {
    const entry = entries[at];
    if ('delete' in write) {
      if (entry !== undefined) return undefined;
    } else {
      if (entry === undefined || Buffer.compare(entry.value, write.value) !== 0) return undefined;
      if (mine !== undefined && mine !== entry.modRevision) return undefined;
      mine = entry.modRevision;
    }
  }
  return writes.length === 0 ? undefined : (mine ?? revision);
}

function isCompacted(error: unknown): boolean {
  return (error as ServiceError).code === status.OUT_OF_RANGE && /compacted/.test((error as ServiceError).details);
}

function isFuture(error: unknown): boolean {
  return (error as ServiceError).code === status.OUT_OF_RANGE && /future/.test((error as ServiceError).details);
}

function tooLarge(error: unknown): unknown {
  const { details } = error as ServiceError;
  if (!/request is too large|larger than max|too many operations/.test(details ?? '')) return error;
  return new StoreTooLargeError(details, error);
}
