import { CompactedError } from '../store.ts';
import type { Watch } from '../watch.ts';
import type { Connection, WatchStream } from './connection.ts';
import { eventsOf } from './events.ts';
import type { Keys } from './keys.ts';
import type { WatchAnswer } from './messages.ts';

const unattached = () => undefined;

/**
 * Gives a watch its past from a stream of its own, over all keys, as only so the end of the past can be told; then lets it join those that
 * are handed events as they come. `done` resolves then, or when it is over otherwise.
 */
export function replay(
  watch: Watch,
  connection: Connection,
  keys: Keys,
  present: () => number,
): { cancel(): void; done: Promise<void> } {
  const done = Promise.withResolvers<void>();
  let stream: WatchStream | undefined;
  const take = (answer: WatchAnswer) => {
    if (answer.compactRevision > 0) return watch.fail(new CompactedError(watch.next, answer.compactRevision));
    const due = answer.events.filter(({ entry }) => entry.modRevision <= present());
    const events = eventsOf(due, keys, unattached).filter(({ key }) => key >= watch.start && key < watch.end);
    watch.deliver(events);
    if (watch.over) return;
    if (due.length > 0) watch.advance(due.at(-1)!.entry.modRevision + 1);
    // whatever lies beyond the present comes to those that are live
    if (due.length < answer.events.length) watch.advance(present() + 1);
    if (watch.next <= present()) return;
    watch.live();
    stream?.cancel();
    done.resolve();
  };
  const begin = () => {
    stream = connection.watch({ ...keys.all, fromRevision: watch.next }, take, (error) => {
      if (watch.over) return;
      if (error === undefined) watch.fail(undefined);
      else begin();
    });
  };
  begin();
  return {
    cancel: () => {
      stream?.cancel();
      done.resolve();
    },
    done: done.promise,
  };
}
