import type { Version } from './version.ts';

/** The writes since the last compaction, oldest first: what a watch from the past replays and a compaction walks. */
export class History {
  #versions: Version[] = [];
  /** Versions before this place are forgotten; they leave the array in bulk. */
  #start = 0;

  push(version: Version): void {
    this.#versions.push(version);
  }

  /** From the first write of `fromRevision` or later: `count` writes, and what it takes to end with a whole revision. */
  slice(fromRevision: number, count: number): Version[] {
    const first = this.#lowerBound(fromRevision);
    let end = Math.min(first + count, this.#versions.length);
    while (end < this.#versions.length && this.#versions[end]!.revision === this.#versions[end - 1]!.revision) end++;
    return this.#versions.slice(first, end);
  }

  /** The oldest writes, at most `count`, that happened at or before `revision`. */
  first(count: number, revision: number): Version[] {
    const end = Math.min(this.#start + count, this.#lowerBound(revision + 1));
    return this.#versions.slice(this.#start, end);
  }

  /** Forgets the oldest `count` writes. */
  drop(count: number): void {
    this.#versions.fill(undefined as never, this.#start, this.#start + count);
    this.#start += count;
    if (this.#start * 2 < this.#versions.length) return;
    this.#versions = this.#versions.slice(this.#start);
    this.#start = 0;
  }

  #lowerBound(revision: number): number {
    let low = this.#start;
    let high = this.#versions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#versions[middle]!.revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
