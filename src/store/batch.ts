import type { KeyIndex } from './keyindex.ts';
import type { Compare, Delete, Entry, Put, Transaction, TransactionResult } from './store.ts';
import type { Version } from './version.ts';

/** The log keeps a write's place in 16 bits. */
export const writesLimit = 65_536;

/** A transaction that waits for its outcome. */
export interface Waiting {
  readonly transaction: Transaction;
  resolve(result: TransactionResult): void;
  reject(error: unknown): void;
}

/** What a transaction would have done had the batch been durable already. */
type Outcome = { waiting: Waiting; ok: boolean; revision: number };

/** Transactions that become durable together. It changes nothing until its writes are applied. */
export class Batch {
  readonly versions: Version[] = [];
  /** Of each version, in the same order. */
  readonly attachments: unknown[] = [];
  readonly outcomes: Outcome[] = [];
  revision: number;
  readonly #index: KeyIndex;
  readonly #written = new Map<string, Version>();

  constructor(index: KeyIndex, revision: number) {
    this.#index = index;
    this.revision = revision;
  }

  /** Decides the transaction on top of those that were added before it. */
  add(waiting: Waiting): void {
    const { compare, writes } = waiting.transaction;
    const ok = compare.every((wanted) => this.#holds(wanted));
    if (ok) this.#write(writes);
    this.outcomes.push({ waiting, ok, revision: this.revision });
  }

  #holds({ key, modRevision }: Compare): boolean {
    const latest = this.#latest(key);
    return modRevision === (latest === undefined || latest.deleted ? 0 : latest.revision);
  }

  #latest(key: string): Version | undefined {
    return this.#written.get(key) ?? this.#index.get(key);
  }

  #write(writes: readonly (Put | Delete)[]): void {
    const revision = this.revision + 1;
    let sub = 0;
    for (const write of writes) {
      const previous = this.#latest(write.key);
      const exists = previous !== undefined && !previous.deleted;
      const deleted = 'delete' in write;
      if (deleted && !exists) continue;
      const version: Version = {
        key: write.key,
        revision,
        sub: sub++,
        createRevision: exists ? previous.createRevision : revision,
        deleted,
        previousRevision: exists ? previous.revision : 0,
        previous,
        value: deleted ? undefined : write.value,
      };
      this.#written.set(write.key, version);
      this.versions.push(version);
      this.attachments.push(write.attachment);
    }
    if (sub > 0) this.revision = revision;
  }
}

/** Refuses what no store could carry out. */
export function checkTransaction({ writes }: Transaction): void {
  if (writes.length > writesLimit) {
    throw new RangeError(`a transaction of ${writes.length} writes: split it, at most ${writesLimit} are possible`);
  }
  if (writes.length < 2) return;
  const keys = new Set<string>();
  for (const { key } of writes) {
    if (keys.has(key))
      throw new TypeError(`key ${JSON.stringify(key)} is written twice in one transaction: write it once`);
    keys.add(key);
  }
}

export function entryOf(version: Version, value: Uint8Array): Entry {
  return { key: version.key, value, createRevision: version.createRevision, modRevision: version.revision };
}
