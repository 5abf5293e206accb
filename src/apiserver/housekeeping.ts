/** What the server does by itself: forgets history that nobody can ask for any more, and events that are an hour old. */
import type { Clock, Timer } from '../machinery/index.ts';
import { writesTogether } from '../store/index.ts';
import type { Registry } from './registry/index.ts';

const compactEvery = 5 * 60_000;
const eventsEvery = 60_000;
const eventLifetime = 3600_000;

export function keepHouse(registry: Registry, clock: Clock, failed: (error: unknown) => void): () => void {
  let marked = registry.caches.revision;
  const timers: Timer[] = [
    clock.every(compactEvery, () => {
      const until = marked;
      marked = registry.caches.revision;
      if (until > registry.store.compactedRevision) registry.store.compact(until).catch(failed);
    }),
    clock.every(eventsEvery, () => void expireEvents(registry, clock).catch(failed)),
  ];
  return () => {
    for (const timer of timers) timer.cancel();
  };
}

async function expireEvents(registry: Registry, clock: Clock): Promise<void> {
  const served = registry.resources.find('', 'v1', 'events');
  if (served === undefined) return;
  const cache = await registry.resources.cache(served);
  const before = clock.now() - eventLifetime;
  const old: string[] = [];
  for (const entry of cache.entries.values()) {
    const { lastTimestamp, eventTime, metadata } = entry.object;
    if (Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '') < before) old.push(entry.key);
  }
  for (let i = 0; i < old.length; i += writesTogether)
    await registry.store.txn({
      compare: [],
      writes: old.slice(i, i + writesTogether).map((key) => ({ key, delete: true })),
    });
}
