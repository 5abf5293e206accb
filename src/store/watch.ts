import { setImmediate as turn } from 'node:timers/promises';
import type { StoreEvent, StoreWatch, WatchOptions } from './store.ts';
import { CompactedError } from './store.ts';
import type { Version } from './version.ts';
import type { LiveWatch, Watches } from './watches.ts';

/** Writes replayed in one go, so that a watch from long ago does not hold up the event loop. */
const replayed = 500;

/** What a watch that reads the past needs of its store. */
export interface Past {
  revision(): number;
  compactedRevision(): number;
  slice(fromRevision: number, count: number): Version[];
  read(versions: readonly Version[]): Uint8Array[] | Promise<Uint8Array[]>;
}

/** One watch: first it replays, then it joins those that are handed events as they happen. */
export class Watch implements StoreWatch, LiveWatch {
  readonly start: string;
  readonly end: string;
  readonly #options: WatchOptions;
  readonly #watches: Watches;
  readonly #ended: (watch: Watch) => void;
  /** The next revision to deliver. */
  #next: number;
  #over = false;

  constructor(options: WatchOptions, next: number, watches: Watches, ended: (watch: Watch) => void) {
    this.start = options.start;
    this.end = options.end;
    this.#options = options;
    this.#next = next;
    this.#watches = watches;
    this.#ended = ended;
  }

  /** The next revision that it is to be given. */
  get next(): number {
    return this.#next;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Everything before `next` has been given to it. */
  advance(next: number): void {
    this.#next = next;
  }

  /** From here on it is handed what happens, as it happens. */
  live(): void {
    this.#watches.add(this);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#watches.remove(this);
    this.#ended(this);
  }

  /** Ends it from the store's side. */
  fail(error: Error | undefined): void {
    if (this.#over) return;
    this.cancel();
    this.#options.onEnd(error);
  }

  deliver(events: StoreEvent[]): void {
    if (this.#over || events.length === 0) return;
    const due = events[0]!.revision >= this.#next ? events : events.filter((event) => event.revision >= this.#next);
    if (due.length === 0) return;
    try {
      this.#options.onEvents(due);
    } catch (error) {
      // It broke its promise not to throw; others must not suffer for it.
      this.fail(error as Error);
    }
  }

  /** Starts at once when there is nothing to replay, else in a later turn. */
  begin(past: Past): void {
    if (this.#next > past.revision()) this.live();
    else queueMicrotask(() => void this.#replay(past).catch((error: Error) => this.fail(error)));
  }

  async #replay(past: Past): Promise<void> {
    while (!this.#over) {
      if (this.#next > past.revision()) return this.live();
      if (this.#next <= past.compactedRevision()) throw new CompactedError(this.#next, past.compactedRevision());
      const versions = past.slice(this.#next, replayed);
      const upTo = versions.at(-1)?.revision ?? past.revision();
      const wanted = versions.filter(({ key }) => key >= this.start && key < this.end);
      const values = past.read(wanted);
      const events = eventsOf(wanted, Array.isArray(values) ? values : await values);
      this.deliver(events);
      this.advance(upTo + 1);
      if (versions.length >= replayed) await turn();
    }
  }
}

function eventsOf(versions: readonly Version[], values: readonly Uint8Array[]): StoreEvent[] {
  return versions.map((version, at) => eventOf(version, version.deleted ? undefined : values[at], undefined));
}

export function eventOf(version: Version, value: Uint8Array | undefined, attachment: unknown): StoreEvent {
  return {
    type: version.deleted ? 'delete' : 'put',
    key: version.key,
    revision: version.revision,
    value,
    createRevision: version.createRevision,
    previousRevision: version.previousRevision,
    attachment,
  };
}
