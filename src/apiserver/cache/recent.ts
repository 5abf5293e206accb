/**
 * What was read from stored bytes is kept for the objects that were asked for last, and no longer: parsed, an object takes several times its
 * bytes, and most of what is stored is not looked at for hours.
 */

/** Of all that is kept, as JSON; parsed about three times as much. */
const limit = 8 << 20;

export interface Kept {
  /** Of its JSON, in bytes; never another. */
  readonly length: number;
  /** What was read can be had again. */
  letGo(): void;
}

class Recent {
  #kept: (Kept | undefined)[] = [];
  #first = 0;
  #weight = 0;

  /** Nothing twice before it was let go. */
  keep(one: Kept): void {
    this.#kept.push(one);
    this.#weight += one.length;
    while (this.#weight > limit && this.#first < this.#kept.length - 1) this.#drop();
  }

  #drop(): void {
    const oldest = this.#kept[this.#first]!;
    this.#kept[this.#first++] = undefined;
    this.#weight -= oldest.length;
    oldest.letGo();
    if (this.#first < 4096 || this.#first < this.#kept.length / 2) return;
    this.#kept = this.#kept.slice(this.#first);
    this.#first = 0;
  }
}

/** One for the process: its memory is what is bounded. */
export const recent = new Recent();
