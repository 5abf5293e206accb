/**
 * Pods that wait for a node: ready to be tried (by priority, then by age), waiting out a back-off, or set aside until something changes that can
 * help them.
 */
import type { Node, Pod } from '../api/index.ts';
import { type Clock, keyOf, type Timer } from '../machinery/index.ts';
import type { ClusterEvent, Plugin } from './framework.ts';

interface Waiting {
  pod: Pod;
  attempts: number;
  /** When it came into the queue, for order. */
  since: number;
  /** What rejected it last. */
  rejectedBy: readonly Plugin[];
  /** Not before this moment. */
  notBefore: number;
}

const firstBackoff = 1_000;
const longestBackoff = 10_000;
/** Nobody is forgotten for longer than this. */
const flushAfter = 5 * 60_000;

export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #plugins: readonly Plugin[];
  /** Kept as a heap. */
  readonly #active: Waiting[] = [];
  readonly #known = new Map<
    string,
    Waiting & { place: 'active' | 'backoff' | 'aside' | 'gated' | 'trying'; movedDuringTry?: boolean }
  >();
  readonly #timers = new Map<string, Timer>();
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock, plugins: readonly Plugin[]) {
    this.#clock = clock;
    this.#plugins = plugins;
  }

  get size(): number {
    return this.#known.size;
  }

  add(pod: Pod): void {
    const key = keyOf(pod);
    const known = this.#known.get(key);
    if (known !== undefined && known.pod.metadata.uid === pod.metadata.uid) return this.update(pod);
    if (known !== undefined) this.remove(pod);
    const waiting = {
      pod,
      attempts: 0,
      since: this.#clock.now(),
      rejectedBy: [],
      notBefore: 0,
      place: 'aside' as const,
    };
    this.#known.set(key, waiting);
    this.#enter(waiting);
  }

  update(pod: Pod): void {
    const known = this.#known.get(keyOf(pod));
    if (known === undefined) return;
    const old = known.pod;
    known.pod = pod;
    if (known.place === 'gated') this.#enter(known);
    else if (known.place === 'aside' && this.#canHelp(known, 'SelfUpdate', old, pod)) this.#enter(known);
  }

  remove(pod: Pod): void {
    const key = keyOf(pod);
    this.#known.delete(key);
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
  }

  /** The next pod to try; undefined once the queue is closed. */
  async next(): Promise<Pod | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      const waiting = this.#pop();
      if (waiting !== undefined) return waiting.pod;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The attempt failed. Sets the pod aside, or back in line if something happened meanwhile that may help. */
  rejected(pod: Pod, by: readonly Plugin[]): void {
    const key = keyOf(pod);
    const waiting = this.#known.get(key);
    if (waiting === undefined) return;
    waiting.attempts++;
    waiting.rejectedBy = by;
    const backoff = Math.min(longestBackoff, firstBackoff * 2 ** (waiting.attempts - 1));
    waiting.notBefore = this.#clock.now() + backoff;
    if (by.length === 0 || waiting.movedDuringTry) return this.#enter(waiting);
    waiting.place = 'aside';
    this.#later(key, flushAfter, waiting);
  }

  placed(pod: Pod): void {
    this.remove(pod);
  }

  /** Something changed: those it can help come back. */
  changed(event: ClusterEvent, old: Node | Pod | undefined, object: Node | Pod | undefined): void {
    for (const waiting of this.#known.values()) {
      if (waiting.place === 'trying') waiting.movedDuringTry = true;
      else if (waiting.place === 'aside' && this.#canHelp(waiting, event, old, object)) this.#enter(waiting);
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#wake?.();
  }

  #canHelp(
    waiting: Waiting,
    event: ClusterEvent,
    old: Node | Pod | undefined,
    object: Node | Pod | undefined,
  ): boolean {
    return waiting.rejectedBy.some(
      (plugin) => (plugin.events?.includes(event) ?? true) && (plugin.helps?.(waiting.pod, event, old, object) ?? true),
    );
  }

  #enter(waiting: Waiting & { place: string; movedDuringTry?: boolean }): void {
    const key = keyOf(waiting.pod);
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    waiting.movedDuringTry = false;
    if (this.#plugins.some((plugin) => plugin.preEnqueue?.(waiting.pod) !== undefined)) {
      waiting.place = 'gated';
      return;
    }
    const wait = waiting.notBefore - this.#clock.now();
    if (wait > 0) {
      waiting.place = 'backoff';
      return this.#later(key, wait, waiting);
    }
    waiting.place = 'active';
    push(this.#active, waiting);
    this.#wake?.();
    this.#wake = undefined;
  }

  #later(key: string, wait: number, waiting: Waiting): void {
    this.#timers.get(key)?.cancel();
    this.#timers.set(
      key,
      this.#clock.after(wait, () => {
        if (this.#known.get(key) === waiting) this.#enter(waiting as never);
      }),
    );
  }

  #pop(): Waiting | undefined {
    for (let top = pop(this.#active); top !== undefined; top = pop(this.#active)) {
      const known = this.#known.get(keyOf(top.pod));
      if (known !== top || known.place !== 'active') continue;
      known.place = 'trying';
      return top;
    }
    return undefined;
  }
}

function before(a: Waiting, b: Waiting): boolean {
  const priority = (b.pod.spec.priority ?? 0) - (a.pod.spec.priority ?? 0);
  return priority !== 0 ? priority < 0 : a.since < b.since;
}

function push(heap: Waiting[], item: Waiting): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(item, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = item;
}

function pop(heap: Waiting[]): Waiting | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
