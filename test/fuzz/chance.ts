/** Draws of one request: the same seed and the same number give the same request, whatever came before it. */
import { seededRandom } from '../../src/machinery/index.ts';

export class Chance {
  readonly #next: () => number;

  constructor(seed: number, number: number) {
    const random = seededRandom((Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0);
    this.#next = random.next;
    random.next();
  }

  /** True once in `times`. */
  one(times: number): boolean {
    return this.#next() * times < 1;
  }

  /** In [0, below). */
  below(below: number): number {
    return Math.floor(this.#next() * below);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}
