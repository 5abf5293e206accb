/** How long those that are turned away should wait: longer while many are, as TCP backs off. */

const longest = 32;

export class Dropped {
  #retryAfter = 1;
  #raisedAt = 0;
  #second = 0;
  #count = 0;
  #history: { second: number; count: number }[] = [];

  /** Seconds after which to come back. */
  get retryAfter(): number {
    return this.#retryAfter;
  }

  /** One more was turned away, `second` seconds after the epoch. */
  record(second: number): void {
    if (second === this.#second) {
      this.#count++;
      return;
    }
    const oldest = second - Math.min(2 * this.#retryAfter, longest);
    this.#history.push({ second: this.#second, count: this.#count });
    this.#history = this.#history.filter((one) => one.second >= oldest);
    this.#second = second;
    this.#count = 1;
    this.#adjust(second);
  }

  #adjust(second: number): void {
    const wait = this.#retryAfter;
    const dropped = this.#history.reduce((sum, one) => (second - one.second <= wait ? sum + one.count : sum), 0);
    if (second - this.#raisedAt >= wait && dropped >= 3 * wait) {
      this.#retryAfter = Math.min(2 * wait, longest);
      this.#raisedAt = second;
    } else if (dropped < wait && wait > 1) this.#retryAfter = wait - 1;
  }
}
