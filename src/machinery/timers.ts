/** Timers by when they are due; those due at the same moment in the order they were set. */
export interface Pending {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
  cancelled: boolean;
}

export class Timers {
  readonly #heap: Pending[] = [];

  add(pending: Pending): void {
    const heap = this.#heap;
    let at = heap.push(pending) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isSooner(pending, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = pending;
  }

  /** The next that is due and was not cancelled. */
  first(): Pending | undefined {
    while (this.#heap[0]?.cancelled) this.removeFirst();
    return this.#heap[0];
  }

  removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isSooner(heap[below + 1]!, heap[below]!)) below++;
      if (!isSooner(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
  }
}

function isSooner(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
