/** The most that there was at once in this second and the one before. */
export class Watermark {
  readonly #second: () => number;
  #at = 0;
  #now = 0;
  #most = 0;
  #before = 0;

  constructor(second: () => number) {
    this.#second = second;
  }

  add(by: 1 | -1): void {
    if (by === 1) this.#turn();
    this.#now += by;
    if (this.#now > this.#most) this.#most = this.#now;
  }

  most(): number {
    this.#turn();
    return Math.max(this.#most, this.#before);
  }

  #turn(): void {
    const second = this.#second();
    if (second === this.#at) return;
    this.#before = second === this.#at + 1 ? this.#most : this.#now;
    this.#most = this.#now;
    this.#at = second;
  }
}
