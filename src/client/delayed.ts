import type { Clock, Timer } from '../machinery/index.ts';

interface Waiting {
  key: string;
  at: number;
  /** Of keys that are due at the same moment, who came first goes first. */
  order: number;
}

/** Hands keys over once they are due, each at the earliest moment it was added for. One timer serves any number of keys. */
export class DelayedKeys {
  readonly #clock: Clock;
  readonly #due: (key: string) => void;
  /** A binary heap by time. A key that was moved forward leaves a stale entry behind, which `#earliest` tells apart. */
  readonly #heap: Waiting[] = [];
  readonly #earliest = new Map<string, Waiting>();
  #order = 0;
  #timer: Timer | undefined;
  #wakes = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, due: (key: string) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  get size(): number {
    return this.#earliest.size;
  }

  add(key: string, milliseconds: number): void {
    const at = this.#clock.monotonic() + milliseconds;
    const before = this.#earliest.get(key);
    if (before !== undefined && before.at <= at) return;
    const waiting = { key, at, order: this.#order++ };
    this.#earliest.set(key, waiting);
    this.#push(waiting);
    this.#arm();
  }

  clear(): void {
    this.#timer?.cancel();
    this.#heap.length = 0;
    this.#earliest.clear();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#wakes) return;
    this.#timer?.cancel();
    this.#wakes = first.at;
    this.#timer = this.#clock.after(Math.max(0, first.at - this.#clock.monotonic()), () => this.#ring());
  }

  #ring(): void {
    this.#timer = undefined;
    this.#wakes = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const first = this.#pop();
      if (this.#earliest.get(first.key) !== first) continue;
      this.#earliest.delete(first.key);
      this.#due(first.key);
    }
    this.#arm();
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap;
    let at = heap.push(waiting) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, waiting)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = waiting;
  }

  #pop(): Waiting {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
