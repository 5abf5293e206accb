import type { StoreEvent } from '../store.ts';
import type { Keys } from './keys.ts';
import type { WireEvent } from './messages.ts';

/** What happened to this store's own keys. */
export function eventsOf(
  events: readonly WireEvent[],
  keys: Keys,
  attachmentOf: (key: string, value: Uint8Array | undefined) => unknown,
): StoreEvent[] {
  const own: StoreEvent[] = [];
  for (const { deleted, entry, previous } of events) {
    const key = keys.own(entry.key);
    if (key === undefined) continue;
    const value = deleted ? undefined : entry.value;
    own.push({
      type: deleted ? 'delete' : 'put',
      key,
      revision: entry.modRevision,
      value,
      createRevision: deleted ? previous.createRevision : entry.createRevision,
      previousRevision: previous.modRevision,
      attachment: attachmentOf(key, value),
    });
  }
  return own;
}
