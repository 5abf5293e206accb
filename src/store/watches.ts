import type { StoreEvent } from './store.ts';

/** A watch that has caught up: it is handed every new event of its range. */
export interface LiveWatch {
  readonly start: string;
  readonly end: string;
  deliver(events: StoreEvent[]): void;
}

/** Watches of the same range share one list of events. */
interface Group {
  readonly start: string;
  readonly end: string;
  /** The greatest `end` of this group and of those before it: where to stop looking back. */
  reach: string;
  watches: readonly LiveWatch[];
  pending: StoreEvent[] | undefined;
}

/** Finds the watches of a key by the order of their ranges, so that an event costs only the watches that want it. */
export class Watches {
  /** By start, then end. */
  #groups: Group[] = [];

  add(watch: LiveWatch): void {
    const at = this.#place(watch.start, watch.end);
    const group = this.#groups[at];
    if (group?.start === watch.start && group.end === watch.end) {
      group.watches = [...group.watches, watch];
      return;
    }
    this.#groups.splice(at, 0, { start: watch.start, end: watch.end, reach: '', watches: [watch], pending: undefined });
    this.#measure(at);
  }

  remove(watch: LiveWatch): void {
    const at = this.#place(watch.start, watch.end);
    const group = this.#groups[at];
    if (group === undefined || !group.watches.includes(watch)) return;
    group.watches = group.watches.filter((other) => other !== watch);
    if (group.watches.length > 0) return;
    this.#groups.splice(at, 1);
    this.#measure(at);
  }

  /** Hands the events, which are in order, to every watch whose range they are in: one call each. */
  deliver(events: readonly StoreEvent[]): void {
    const touched: Group[] = [];
    for (const event of events) this.#collect(event, touched);
    const calls = touched.map((group) => ({ watches: group.watches, events: group.pending! }));
    for (const group of touched) group.pending = undefined;
    for (const call of calls) for (const watch of call.watches) watch.deliver(call.events);
  }

  #collect(event: StoreEvent, touched: Group[]): void {
    const { key } = event;
    for (let at = this.#lastStartingBy(key); at >= 0; at--) {
      const group = this.#groups[at]!;
      if (group.reach <= key) return;
      if (group.end <= key) continue;
      if (group.pending === undefined) {
        group.pending = [];
        touched.push(group);
      }
      group.pending.push(event);
    }
  }

  #lastStartingBy(key: string): number {
    let low = 0;
    let high = this.#groups.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#groups[middle]!.start <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #place(start: string, end: string): number {
    let low = 0;
    let high = this.#groups.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const group = this.#groups[middle]!;
      if (group.start < start || (group.start === start && group.end < end)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #measure(from: number): void {
    for (let at = from; at < this.#groups.length; at++) {
      const group = this.#groups[at]!;
      const before = at === 0 ? '' : this.#groups[at - 1]!.reach;
      group.reach = before > group.end ? before : group.end;
    }
  }
}
