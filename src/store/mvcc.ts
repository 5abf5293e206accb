import { setImmediate as turn } from 'node:timers/promises';
import { Batch, checkTransaction, entryOf, type Waiting } from './batch.ts';
import { History } from './history.ts';
import { KeyIndex } from './keyindex.ts';
import type { Log, Recovered } from './log.ts';
import { CompactedError, FutureRevisionError, StoreClosedError } from './store.ts';
import type {
  Entry,
  Range,
  RangeResult,
  Store,
  StoreWatch,
  Transaction,
  TransactionResult,
  WatchOptions,
} from './store.ts';
import { type Version, versionAt } from './version.ts';
import { eventOf, Watch } from './watch.ts';
import { Watches } from './watches.ts';

/** One flush takes at most this many transactions, so that deciding them does not hold up the event loop. */
const batchLimit = 256;
/** Writes that a compaction looks at before other work gets its turn. */
const compactTogether = 2_000;

/**
 * The store that every driver is: an index of keys and a history of writes in memory, over a log that keeps the values.
 * Transactions queue up while the log writes; the next flush takes all that are waiting. Nothing is visible to a reader
 * before the log has kept it.
 */
export class MvccStore implements Store {
  readonly #log: Log;
  readonly #index = new KeyIndex();
  readonly #history = new History();
  readonly #watches = new Watches();
  readonly #open = new Set<Watch>();
  #queue: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #compacting: Promise<void> = Promise.resolve();
  #forgotten: number;
  #closed: Promise<void> | undefined;
  #revision: number;
  #compacted: number;

  constructor(log: Log, recovered: Recovered) {
    this.#log = log;
    this.#revision = recovered.revision;
    this.#compacted = recovered.compactedRevision;
    for (const version of recovered.versions) {
      const latest = this.#index.get(version.key);
      version.previous = latest;
      this.#index.apply(version);
      if (version.revision > this.#compacted || latest !== undefined || version.deleted) this.#history.push(version);
    }
    // A compaction that was cut short left writes behind: the next one takes them along.
    this.#forgotten = 0;
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  async get(key: string, revision?: number): Promise<Entry | undefined> {
    const at = this.#readable(revision);
    const version = versionAt(this.#index.get(key), at);
    if (version === undefined || version.deleted) return undefined;
    const values = this.#log.read([version]);
    return entryOf(version, (Array.isArray(values) ? values : await values)[0]!);
  }

  async range({ start, end, limit, revision }: Range): Promise<RangeResult> {
    const at = this.#readable(revision);
    const { versions, remaining } = this.#index.scan(start, end, at, limit ?? Number.POSITIVE_INFINITY);
    const read = this.#log.read(versions);
    const values = Array.isArray(read) ? read : await read;
    return { entries: versions.map((version, i) => entryOf(version, values[i]!)), revision: at, remaining };
  }

  txn(transaction: Transaction): Promise<TransactionResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw new StoreClosedError();
      checkTransaction(transaction);
      this.#queue.push({ transaction, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  watch(options: WatchOptions): StoreWatch {
    if (this.#closed !== undefined) throw new StoreClosedError();
    const next = options.fromRevision || this.#revision + 1;
    if (next <= this.#compacted) throw new CompactedError(next, this.#compacted);
    const watch = new Watch(options, next, this.#watches, (ended) => this.#open.delete(ended));
    this.#open.add(watch);
    watch.begin({
      read: (versions) => this.#log.read(versions),
      slice: (fromRevision, count) => this.#history.slice(fromRevision, count),
      revision: () => this.#revision,
      compactedRevision: () => this.#compacted,
    });
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

  #readable(revision: number | undefined): number {
    if (this.#closed !== undefined) throw new StoreClosedError();
    if (!revision || revision === this.#revision) return this.#revision;
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision <= this.#compacted) throw new CompactedError(revision, this.#compacted);
    return revision;
  }

  async #flush(): Promise<void> {
    // Later calls of the same tick share the first flush.
    await undefined;
    while (this.#queue.length > 0) {
      const batch = new Batch(this.#index, this.#revision);
      const waiting = this.#queue.length > batchLimit ? this.#queue.splice(0, batchLimit) : this.#queue;
      if (waiting === this.#queue) this.#queue = [];
      for (const one of waiting) batch.add(one);
      try {
        if (batch.versions.length > 0) await this.#log.append(batch.versions);
      } catch (error) {
        this.#refuse(batch, error);
        continue;
      }
      this.#commit(batch);
      this.#settle(batch);
    }
    this.#flushing = undefined;
  }

  /** The log kept nothing. A comparison that failed may have failed on what is now gone, so it is decided again. */
  #refuse(batch: Batch, error: unknown): void {
    const again: Waiting[] = [];
    for (const { ok, waiting } of batch.outcomes) {
      if (ok) waiting.reject(error);
      else again.push(waiting);
    }
    this.#queue = again.concat(this.#queue);
  }

  #commit({ versions, attachments, revision }: Batch): void {
    const keepsValues = this.#log.keepsValues;
    const events = versions.map((version, at) => eventOf(version, version.value, attachments[at]));
    for (const version of versions) {
      if (!keepsValues) version.value = undefined;
      this.#index.apply(version);
      this.#history.push(version);
    }
    this.#revision = revision;
    this.#watches.deliver(events);
  }

  #settle({ outcomes }: Batch): void {
    for (const { waiting, ok, revision } of outcomes) {
      if (ok) waiting.resolve({ ok, revision });
      else this.#explain(waiting);
    }
  }

  /** Answers a comparison that failed with what its keys hold now. */
  #explain({ transaction, resolve, reject }: Waiting): void {
    const { compare } = transaction;
    const found = compare.map(({ key }) => this.#index.get(key)).map((v) => (v?.deleted ? undefined : v));
    const revision = this.#revision;
    const answer = (values: Uint8Array[]) => {
      let next = 0;
      resolve({ ok: false, revision, entries: found.map((v) => v && entryOf(v, values[next++]!)) });
    };
    const values = this.#log.read(found.filter((v) => v !== undefined));
    if (Array.isArray(values)) answer(values);
    else values.then(answer, reject);
  }

  async #compact(revision: number): Promise<void> {
    if (this.#closed !== undefined) throw new StoreClosedError();
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision);
    if (revision <= this.#forgotten) return;
    // From here on nobody can reach what is about to go.
    if (revision > this.#compacted) this.#compacted = revision;
    const compacted = this.#compacted;
    await this.#log.forget([], compacted);
    for (;;) {
      const some = this.#history.first(compactTogether, compacted);
      if (some.length === 0) break;
      await this.#forget(some, compacted);
    }
    this.#forgotten = compacted;
  }

  async #forget(versions: readonly Version[], compacted: number): Promise<void> {
    const gone: Version[] = [];
    for (const version of versions) {
      if (version.previous !== undefined) gone.push(version.previous);
      if (version.deleted) gone.push(version);
    }
    if (gone.length > 0) await this.#log.forget(gone, compacted);
    for (const version of versions) {
      version.previous = undefined;
      if (version.deleted) this.#index.forget(version);
    }
    this.#history.drop(versions.length);
    if (versions.length === compactTogether) await turn();
  }

  async #close(): Promise<void> {
    await this.#flushing;
    await this.#compacting;
    for (const watch of this.#open) watch.fail(undefined);
    await this.#log.close();
  }
}
