/**
 * Watches that ask for the same thing, together: each batch of events is filtered and written down once. Where many wait at the far end of
 * connections, what happens in quick succession is gathered, so that the work for each is done once a moment and not once an event.
 */
import type { Clock, Timer } from '../../machinery/index.ts';
import { CacheEntry, type CacheEvent, type ResourceCache } from '../cache/index.ts';
import type { View } from '../resources.ts';
import type { Selection } from './selection.ts';

export type WatchType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One event as a watcher sees it. */
export interface Seen {
  readonly type: WatchType;
  readonly entry: CacheEntry;
  /** Absent also where the entry is not seen as it is stored. */
  readonly event: CacheEvent | undefined;
}

/** What of a resource a channel is about. */
export interface Scope {
  readonly prefix: string;
  readonly selection: Selection;
  /** Of custom resources: how their version sees them. */
  readonly view?: View;
}

export interface Watcher {
  /** Events may reach it a few milliseconds later, with those that follow. Absent: they come at once. */
  readonly patient?: boolean;
  /** `frames` gives the batch as bytes, made by the first watcher that asks. */
  onEvents(seen: readonly Seen[], frames: () => Buffer): void;
  onEnd(): void;
}

/** About what it costs to write to one watcher, in milliseconds: events gather for as long as a round of all takes. */
const costOfOne = 0.05;
const longestWait = 50;

export class Channel {
  readonly #hasty = new Set<Watcher>();
  readonly #patient = new Set<Watcher>();
  readonly #stop: () => void;
  readonly #scope: Scope;
  readonly #clock: Clock;
  #gathered: Seen[] = [];
  #pause: Timer | undefined;

  constructor(cache: ResourceCache, scope: Scope, clock: Clock) {
    this.#scope = scope;
    this.#clock = clock;
    this.#stop = cache.listen({
      onEvents: (events) => this.#take(events),
      onEnd: () => this.#end(),
    });
  }

  /** Batches that wait for a conversion, in order. */
  #waiting: Promise<void> | undefined;

  #take(events: readonly CacheEvent[]): void {
    const { view, prefix } = this.#scope;
    if (view?.asks !== true) return this.#give(seenOf(events, this.#scope));
    const mine = events.filter(({ entry }) => entry.key.startsWith(prefix));
    if (mine.length === 0) return;
    const entries = mine.flatMap(({ entry, previous }) => (previous === undefined ? [entry] : [entry, previous]));
    const ready = view.ready(entries) ?? Promise.resolve();
    this.#waiting = (this.#waiting ?? Promise.resolve()).then(() =>
      ready.then(
        () => this.#give(seenOf(mine, this.#scope)),
        // who misses an event has to start anew
        () => this.#end(),
      ),
    );
  }

  #end(): void {
    this.flush();
    for (const watcher of [...this.#hasty, ...this.#patient]) watcher.onEnd();
  }

  #give(seen: readonly Seen[]): void {
    if (seen.length === 0) return;
    give(this.#hasty, seen);
    if (this.#patient.size === 0) return;
    if (this.#pause === undefined) this.#round(seen);
    else for (const one of seen) this.#gathered.push(one);
  }

  /** The first after a quiet time goes out at once; what follows it soon, together. */
  #round(seen: readonly Seen[]): void {
    give(this.#patient, seen);
    const wait = Math.min(Math.floor(this.#patient.size * costOfOne), longestWait);
    if (wait === 0) return;
    this.#pause = this.#clock.after(wait, () => {
      this.#pause = undefined;
      const gathered = this.#gathered;
      this.#gathered = [];
      if (gathered.length > 0) this.#round(gathered);
    });
  }

  /** Hands over what is being gathered. */
  flush(): void {
    if (this.#gathered.length === 0) return;
    const gathered = this.#gathered;
    this.#gathered = [];
    give(this.#patient, gathered);
  }

  /** What comes from now on; nothing of what is being gathered. */
  join(watcher: Watcher): void {
    this.flush();
    (watcher.patient ? this.#patient : this.#hasty).add(watcher);
  }

  /** Whether that was the last one; the channel is then closed. */
  leave(watcher: Watcher): boolean {
    this.#hasty.delete(watcher);
    this.#patient.delete(watcher);
    if (this.#hasty.size + this.#patient.size > 0) return false;
    this.#pause?.cancel();
    this.#stop();
    return true;
  }
}

function give(watchers: ReadonlySet<Watcher>, seen: readonly Seen[]): void {
  let bytes: Buffer | undefined;
  const frames = () => (bytes ??= seen.length === 1 ? frameOf(seen[0]!) : Buffer.concat(seen.map(frameOf)));
  for (const watcher of watchers) watcher.onEvents(seen, frames);
}

/** What a watcher of this selection sees of a batch: an object that begins to match is added, one that ceases is deleted. */
export function seenOf(events: readonly CacheEvent[], { prefix, selection, view }: Scope): Seen[] {
  const seen: Seen[] = [];
  for (const event of events) {
    if (!event.entry.key.startsWith(prefix)) continue;
    const type = typeOf(event, selection);
    if (type === undefined) continue;
    const stored = type === 'DELETED' ? lastOf(event) : event.entry;
    const entry = view === undefined ? stored : viewOf(view, event, stored);
    seen.push({ type, entry, event: entry === stored ? event : undefined });
  }
  return seen;
}

/** Of what is gone from a selection only what it was has been converted. */
function viewOf(view: View, event: CacheEvent, stored: CacheEntry): CacheEntry {
  if (!view.asks || stored === event.entry) return view.of(stored);
  const { object } = view.of(event.previous!);
  return new CacheEntry(stored.key, stored.revision, undefined, {
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(stored.revision) },
  });
}

/** Of an object that is gone, or gone from the selection: what it was before, at the revision of the event. */
function lastOf(event: CacheEvent): CacheEntry {
  return event.deleted ? event.entry : (event.last ??= event.previous!.at(event.revision));
}

function typeOf(event: CacheEvent, selection: Selection): WatchType | undefined {
  const { deleted, entry, previous } = event;
  if (selection.everything) return deleted ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED';
  const did = previous !== undefined && selection.matches(previous);
  const does = !deleted && selection.matches(entry);
  if (does) return did ? 'MODIFIED' : 'ADDED';
  return did ? 'DELETED' : undefined;
}

const heads: Record<WatchType, Buffer> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const tail = Buffer.from('}\n');

/** The JSON line of an event; shared by all watchers that see it the same way. */
export function frameOf(seen: Seen): Buffer {
  const made = seen.event?.frames?.[seen.type];
  if (made !== undefined) return made;
  const frame = Buffer.concat([heads[seen.type], seen.entry.bytes, tail]);
  if (seen.event !== undefined) (seen.event.frames ??= {})[seen.type] = frame;
  return frame;
}
