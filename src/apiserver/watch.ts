/**
 * Watches over HTTP: what the registry sees, as a stream of JSON lines. Slow readers are cut off, so that they neither hold memory nor anybody
 * else up; their clients come back where they were.
 */
import type { Clock, Timer } from '../machinery/index.ts';
import type { Random, WatchEvent } from '../machinery/index.ts';
import type { Exchange } from './exchange.ts';
import type { WatchSeries } from './metrics.ts';
import { partialOf, tableOf, type IncludeObject } from './publish/table.ts';
import { json, protobufType, type Representation } from './publish/negotiate.ts';
import { protobufEvent, protobufFrame } from './publish/protobuf.ts';
import {
  bookmarkOf,
  eventOf,
  frameOf,
  isDirect,
  type Registry,
  type ResourceCall,
  type Seen,
  watch,
} from './registry/index.ts';

/** Bytes that may wait for a reader before it is taken for dead. */
const pendingLimit = 64 * 1024 * 1024;
const bookmarkEvery = 60_000;
const shortestTimeout = 1800;
/** As long as a timer can be. */
const longestTimeout = 2_000_000;

export interface WatchContext {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly counts: WatchSeries;
}

export async function serveWatch(
  { registry, clock, random, counts }: WatchContext,
  call: ResourceCall,
  exchange: Exchange,
  as: Representation,
  include: IncludeObject,
): Promise<void> {
  // assigned once what came before is written
  let live = undefined as ((bytes: Buffer) => void) | undefined;
  const early: Buffer[] = [];
  let finish = () => {};
  const plain = as === json && isDirect(call.served);
  let columnsSent = false;
  const write = (seen: readonly Seen[], frames: () => Buffer) => {
    const bytes = plain ? frames() : Buffer.concat(seen.map((one) => line(one)));
    count(seen.length, bytes.length);
    if (live === undefined) early.push(bytes);
    else live(bytes);
  };
  const count = (events: number, bytes: number) => {
    counts.events.add(events);
    counts.sizes.observe(bytes / events, events);
  };
  const inProtobuf = as.mediaType === protobufType;
  const line = (one: Seen): Buffer => {
    if (inProtobuf && as.as === 'object') return protobufFrame(call.served, one.type, one.entry);
    const event = eventOf(call, one);
    const object = event.object;
    if (as.as === 'Table') {
      const table = tableOf(
        call.served.kind,
        [object],
        clock.now(),
        include,
        { resourceVersion: object.metadata.resourceVersion },
        !columnsSent,
      );
      columnsSent = true;
      return Buffer.from(`${JSON.stringify({ type: event.type, object: table })}\n`);
    }
    return lineOf({ type: event.type, object: as.as === 'object' ? object : partialOf(object) });
  };
  const lineOf = (event: WatchEvent): Buffer =>
    inProtobuf ? protobufEvent(event) : Buffer.from(`${JSON.stringify(event)}\n`);

  const opened = await watch(registry, call, { patient: true, onEvents: write, onEnd: () => finish() });
  const sink = exchange.stream(200, {
    'Content-Type': inProtobuf ? `${protobufType};stream=watch` : as.mediaType,
    'Cache-Control': 'no-cache, private',
  });
  const { initial } = opened;
  for (let i = 0; i < initial.length; i += 500) {
    const some = initial.slice(i, i + 500);
    const bytes = Buffer.concat(some.map(plain ? frameOf : line));
    count(some.length, bytes.length);
    sink.write(bytes);
  }
  const bookmark = (end: boolean) =>
    sink.write(lineOf(as.as.startsWith('Partial') ? partialBookmark(end) : bookmarkOf(call, opened.revision(), end)));
  const partialBookmark = (end: boolean): WatchEvent => {
    const { type, object } = bookmarkOf(call, opened.revision(), end);
    return { type, object: partialOf(object) };
  };
  for (const bytes of early) sink.write(bytes);
  live = (bytes) => {
    sink.write(bytes);
    if (sink.pending > pendingLimit) finish();
  };
  // after all that it covers
  if (opened.initialEventsEnd) bookmark(true);

  const seconds = call.options.timeoutSeconds || shortestTimeout + Math.floor(random.next() * 30) * 60;
  const timers: Timer[] = [clock.after(Math.min(Math.max(seconds, 0), longestTimeout) * 1000, () => finish())];
  if (call.options.allowWatchBookmarks) timers.push(clock.every(bookmarkEvery, () => bookmark(false)));
  let done = false;
  finish = () => {
    if (done) return;
    done = true;
    opened.close();
    for (const timer of timers) timer.cancel();
    if (sink.pending > pendingLimit) sink.destroy();
    else sink.end();
  };
  if (exchange.signal.aborted) finish();
  else exchange.signal.addEventListener('abort', () => finish(), { once: true });
}
