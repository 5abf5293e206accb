/**
 * Encryption at rest: a store in front of another, in which the values of some resources are encrypted. Nothing above it knows. What is not
 * configured passes by as it is. A value is written by the first provider of its resource and read by the one that wrote it, so keys can be
 * exchanged one after the other; `stale` tells what a later provider or an older key wrote.
 */
import { type Clock, MetricSet, type Random } from '../../machinery/index.ts';
import type {
  Delete,
  Entry,
  Put,
  Range,
  RangeResult,
  Store,
  StoreEvent,
  StoreWatch,
  Transaction,
  TransactionResult,
  WatchOptions,
} from '../../store/index.ts';
import type { Cipher, Decrypted } from './ciphers.ts';
import { type Encryption, encryptionOf } from './configuration.ts';
import { TransformationCounts } from './counts.ts';

export interface EncryptedStoreOptions {
  readonly store: Store;
  /** An EncryptionConfiguration as its file has it. */
  readonly configuration: unknown;
  readonly clock: Clock;
  readonly random: Random;
  /** Where it is counted what is encrypted; absent: nowhere. */
  readonly metrics?: MetricSet;
}

export interface EncryptedStore extends Store {
  /** From here on as this configuration says. Throws a `TypeError` when it cannot be; then all stays as it was. */
  reload(configuration: unknown): void;
  /** What keeps a provider from working now; undefined: nothing. */
  problem(): string | undefined;
}

/** @throws TypeError when the configuration cannot be. */
export async function encryptedStore(options: EncryptedStoreOptions): Promise<EncryptedStore> {
  const { clock, random, metrics = new MetricSet() } = options;
  // only who has a key service speaks gRPC
  const needed = JSON.stringify(options.configuration)?.includes('"kms"') ?? false;
  let kms = needed ? (await import('./kms.ts')).kms : undefined;
  if (!needed) void import('./kms.ts').then((part) => (kms = part.kms));
  const read = (file: unknown) =>
    encryptionOf(file, {
      clock,
      random,
      kms: (service) => {
        if (kms === undefined) throw new TypeError('the part for key services is still being loaded: try again');
        return kms({ ...service, clock, random });
      },
    });
  return new Encrypting(options.store, read, read(options.configuration), new TransformationCounts(metrics, clock));
}

class Encrypting implements EncryptedStore {
  readonly #store: Store;
  readonly #read: (file: unknown) => Encryption;
  #encryption: Encryption;
  /** By `/registry/<group>/<resource>/`. */
  readonly #places = new Map<string, readonly Cipher[] | undefined>();
  readonly #stale = new Set<string>();
  /** After a reload: what has been written since. */
  #fresh: Set<string> | undefined;
  /** What this process has just encrypted: its own events are not decrypted. */
  readonly #clear = new WeakMap<Uint8Array, Uint8Array>();
  /** Transactions that wait until they can be encrypted. */
  #line: Promise<void> | undefined;
  /** Watches that wait for a key: whoever writes waits with them. */
  readonly #waiting = new Set<Promise<void>>();
  /** The last revision that all watches have been given, while some wait. */
  #held: number | undefined;

  readonly #counts: TransformationCounts;

  constructor(store: Store, read: (file: unknown) => Encryption, encryption: Encryption, counts: TransformationCounts) {
    this.#counts = counts;
    this.#store = store;
    this.#read = read;
    this.#encryption = encryption;
  }

  get revision(): number {
    return this.#held ?? this.#store.revision;
  }

  get compactedRevision(): number {
    return this.#store.compactedRevision;
  }

  reload(configuration: unknown): void {
    const next = this.#read(configuration);
    const old = this.#encryption;
    this.#encryption = next;
    this.#places.clear();
    // as far as is known the providers in front have changed, for everything that is not written after this
    this.#fresh = new Set();
    for (const cipher of old.ciphers) cipher.close?.();
  }

  problem(): string | undefined {
    for (const cipher of this.#encryption.ciphers) {
      const problem = cipher.problem?.();
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  stale(key: string): boolean {
    if (this.#stale.has(key)) return true;
    return this.#fresh !== undefined && !this.#fresh.has(key) && this.#ciphersOf(key) !== undefined;
  }

  async get(key: string, revision?: number): Promise<Entry | undefined> {
    const entry = await this.#store.get(key, revision);
    return entry && this.#open(entry);
  }

  async range(range: Range): Promise<RangeResult> {
    const result = await this.#store.range(range);
    const entries: Entry[] = [];
    for (const entry of result.entries) {
      const opened = this.#open(entry);
      entries.push(opened instanceof Promise ? await opened : opened);
    }
    return { ...result, entries };
  }

  txn(transaction: Transaction): Promise<TransactionResult> {
    const { compare, writes } = transaction;
    const concerned = ({ key }: { key: string }) => this.#ciphersOf(key) !== undefined;
    if (compare.some(concerned) || writes.some(concerned)) return this.#txn(transaction);
    return this.#store
      .txn(transaction)
      .then((result) => (this.#waiting.size === 0 ? result : Promise.allSettled(this.#waiting).then(() => result)));
  }

  /** In the order of the calls, also when one has to wait until it can be encrypted. */
  async #txn(transaction: Transaction): Promise<TransactionResult> {
    const ready = this.#ready(transaction.writes);
    let begun: Promise<TransactionResult>;
    if (ready === undefined && this.#line === undefined) begun = this.#begin(transaction);
    else {
      const line = (this.#line ?? Promise.resolve()).then(() => ready);
      const own = line.then(() => ({ result: this.#begin(transaction) }));
      const next = own.then(
        () => {},
        () => {},
      );
      this.#line = next;
      void next.then(() => {
        if (this.#line === next) this.#line = undefined;
      });
      begun = own.then(({ result }) => result);
    }
    const result = await begun;
    if (this.#waiting.size > 0) await Promise.allSettled(this.#waiting);
    if (result.ok) {
      for (const { key } of transaction.writes) this.#stale.delete(key);
      return result;
    }
    return { ...result, entries: await Promise.all(result.entries.map((entry) => entry && this.#open(entry))) };
  }

  #begin(transaction: Transaction): Promise<TransactionResult> {
    try {
      return this.#store.txn({ ...transaction, writes: this.#seal(transaction.writes) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  watch(options: WatchOptions): StoreWatch {
    let waiting: Promise<void> | undefined;
    let over = false;
    const end = (error: Error | undefined) => {
      if (over) return;
      over = true;
      options.onEnd(error);
    };
    const give = (events: StoreEvent[]) => {
      if (!over) options.onEvents(events);
    };
    const wait = (events: StoreEvent[], opened: Promise<StoreEvent[]>) => {
      this.#held ??= events[0]!.revision - 1;
      const mine = opened
        .then(give)
        .catch((error: Error) => {
          watch.cancel();
          end(error);
        })
        .finally(() => {
          this.#waiting.delete(mine);
          if (this.#waiting.size === 0) this.#held = undefined;
          if (waiting === mine) waiting = undefined;
        });
      waiting = mine;
      this.#waiting.add(mine);
    };
    const watch = this.#store.watch({
      ...options,
      onEvents: (events) => {
        if (waiting !== undefined)
          return wait(
            events,
            waiting.then(() => this.#openAll(events)),
          );
        const opened = this.#openAll(events);
        if (opened instanceof Promise) wait(events, opened);
        else give(opened);
      },
      onEnd: end,
    });
    return {
      cancel: () => {
        over = true;
        watch.cancel();
      },
    };
  }

  compact(revision: number): Promise<void> {
    return this.#store.compact(revision);
  }

  async close(): Promise<void> {
    await this.#line;
    await this.#store.close();
    for (const cipher of this.#encryption.ciphers) cipher.close?.();
  }

  #ciphersOf(key: string): readonly Cipher[] | undefined {
    const group = key.indexOf('/', 1);
    const resource = key.indexOf('/', group + 1);
    const place = key.slice(0, key.indexOf('/', resource + 1) + 1);
    if (this.#places.has(place)) return this.#places.get(place);
    const [, , groupName = '', resourceName = ''] = place.split('/');
    const ciphers = this.#encryption.ciphersFor(groupName === 'core' ? '' : groupName, resourceName);
    this.#places.set(place, ciphers);
    return ciphers;
  }

  #ready(writes: readonly (Put | Delete)[]): Promise<unknown> | undefined {
    let all: Promise<unknown> | undefined;
    for (const write of writes) {
      const ready = 'delete' in write ? undefined : this.#ciphersOf(write.key)?.[0]?.ready?.();
      if (ready !== undefined) all = all === undefined ? ready : Promise.all([all, ready]);
    }
    return all;
  }

  #seal(writes: readonly (Put | Delete)[]): (Put | Delete)[] {
    return writes.map((write) => {
      const cipher = this.#ciphersOf(write.key)?.[0];
      if (cipher === undefined || 'delete' in write) return write;
      const told = this.#counts.begin('to_storage', write.key, cipher);
      let value: Buffer;
      try {
        value = Buffer.concat([cipher.prefix, cipher.encrypt(write.value, write.key)]);
      } catch (error) {
        told(false);
        throw error;
      }
      told(true);
      this.#clear.set(value, write.value);
      this.#fresh?.add(write.key);
      return { ...write, value };
    });
  }

  #open(entry: Entry): Entry | Promise<Entry> {
    const value = this.#decrypt(entry.key, entry.value);
    if (value instanceof Promise) return value.then((clear) => ({ ...entry, value: clear }));
    return value === entry.value ? entry : { ...entry, value };
  }

  #openAll(events: StoreEvent[]): StoreEvent[] | Promise<StoreEvent[]> {
    let opened: (StoreEvent | Promise<StoreEvent>)[] | undefined;
    let later = false;
    for (const [at, event] of events.entries()) {
      if (event.value === undefined) {
        this.#stale.delete(event.key);
        continue;
      }
      const own = this.#clear.get(event.value);
      if (own !== undefined) this.#stale.delete(event.key);
      const value = own ?? this.#decrypt(event.key, event.value);
      if (value === event.value) continue;
      opened ??= [...events];
      if (value instanceof Promise) {
        later = true;
        opened[at] = value.then((clear) => ({ ...event, value: clear }));
      } else opened[at] = { ...event, value };
    }
    if (opened === undefined) return events;
    return later ? Promise.all(opened) : (opened as StoreEvent[]);
  }

  #decrypt(key: string, value: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const ciphers = this.#ciphersOf(key);
    if (ciphers === undefined) return value;
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const at = ciphers.findIndex(({ prefix }) => prefix.length > 0 && bytes.subarray(0, prefix.length).equals(prefix));
    const cipher = ciphers[at] ?? ciphers.find(({ prefix }) => prefix.length === 0);
    const failed = (error: unknown) =>
      new Error(`${key} cannot be decrypted: ${(error as Error).message}: add the provider or key that wrote it`, {
        cause: error,
      });
    if (cipher === undefined) throw failed(new Error('no provider that is configured wrote it'));
    const told = this.#counts.begin('from_storage', key, cipher);
    const taken = ({ value: clear, outdated }: Decrypted) => {
      told(true);
      if (outdated || cipher !== ciphers[0]) this.#stale.add(key);
      else this.#stale.delete(key);
      return clear;
    };
    try {
      const clear = cipher.decrypt(bytes.subarray(cipher.prefix.length), key);
      if (!(clear instanceof Promise)) return taken(clear);
      return clear.then(taken).catch((error: unknown) => {
        told(false);
        throw failed(error);
      });
    } catch (error) {
      told(false);
      throw failed(error);
    }
  }
}
