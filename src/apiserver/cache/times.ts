/**
 * When the latest revisions became durable. Objects tell time in whole seconds, and only of some changes; with this, who reads the past by its
 * revisions (`glass why`) can tell milliseconds. Nothing is kept beyond the process.
 */
const remembered = 32_768;

export class RevisionTimes {
  readonly #now: () => number;
  #revisions = new Float64Array(256);
  #times = new Float64Array(256);
  /** How many batches were noted, ever. */
  #noted = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** All revisions since the last one noted became durable together. */
  note(revision: number): void {
    if (this.#noted === this.#revisions.length && this.#noted < remembered) this.#grow();
    const at = this.#noted++ % this.#revisions.length;
    this.#revisions[at] = revision;
    this.#times[at] = this.#now();
  }

  /** Milliseconds since the epoch; undefined: that is too long ago, or has not happened. */
  of(revision: number): number | undefined {
    const size = this.#revisions.length;
    const first = Math.max(0, this.#noted - size);
    let low = first;
    let high = this.#noted;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#revisions[middle % size]! < revision) low = middle + 1;
      else high = middle;
    }
    // what comes before the first batch that is remembered may belong to an earlier one
    if (low === this.#noted || (low === first && this.#revisions[low % size] !== revision)) return undefined;
    return this.#times[low % size];
  }

  #grow(): void {
    const grown = (from: Float64Array) => {
      const to = new Float64Array(Math.min(remembered, from.length * 4));
      to.set(from);
      return to;
    };
    this.#revisions = grown(this.#revisions);
    this.#times = grown(this.#times);
  }
}
