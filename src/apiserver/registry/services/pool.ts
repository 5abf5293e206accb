/** Numbers of a range, given out from a moving place so that what was freed is not soon given again. */

/**
 * Why a number is taken: somebody is about to store it, a stored Service has it, a stored IPAddress names it, another server over the same store
 * gave it to a Service that is not heard of here yet.
 */
export type Holder = 'claim' | 'service' | 'address' | 'rival';

const bits: Record<Holder, number> = { claim: 1, service: 2, address: 4, rival: 8 };

export class Pool {
  readonly from: number;
  readonly to: number;
  readonly #taken = new Map<number, number>();
  readonly #dynamicFrom: number;
  #next: number;

  /** `reserved`: so many at the beginning are given out only when nothing else is left. */
  constructor(from: number, to: number, reserved: number) {
    this.from = from;
    this.to = to;
    this.#dynamicFrom = from + reserved <= to ? from + reserved : from;
    this.#next = this.#dynamicFrom;
  }

  includes(value: number): boolean {
    return value >= this.from && value <= this.to;
  }

  /** For a claim; false when somebody has it. */
  take(value: number): boolean {
    if (this.#taken.has(value)) return false;
    this.#taken.set(value, bits.claim);
    return true;
  }

  /** What is stored has it, whether or not it was claimed here. */
  hold(value: number, holder: Holder): void {
    this.#taken.set(value, ((this.#taken.get(value) ?? 0) & ~bits.claim) | bits[holder]);
  }

  free(value: number, holder: Holder): void {
    const left = (this.#taken.get(value) ?? 0) & ~bits[holder];
    if (left === 0) this.#taken.delete(value);
    else this.#taken.set(value, left);
  }

  give(): number | undefined {
    for (let tried = 0; tried <= this.to - this.#dynamicFrom; tried++) {
      const value = this.#next;
      this.#next = value === this.to ? this.#dynamicFrom : value + 1;
      if (this.take(value)) return value;
    }
    for (let value = this.from; value < this.#dynamicFrom; value++) if (this.take(value)) return value;
    return undefined;
  }
}
