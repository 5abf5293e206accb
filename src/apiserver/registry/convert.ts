/** Between the version that was asked for and the version that is kept. Most kinds have one; then nothing happens. */
import { convertKind } from '../../api/index.ts';
import type { AnyObject } from '../../machinery/index.ts';
import { CacheEntry } from '../cache/index.ts';
import type { ServedResource } from '../resources.ts';

export function toStored(served: ServedResource, object: AnyObject): AnyObject | Promise<AnyObject> {
  if (served.view !== undefined) return served.view.toStored(object);
  return served.stored === served.kind ? object : convertKind(object, served.stored);
}

/** Of built-in kinds. What `entryAs` gave of a custom resource is in the right version already. */
export function fromStored(served: ServedResource, object: AnyObject): AnyObject {
  return served.stored === served.kind || served.view !== undefined ? object : convertKind(object, served.kind);
}

/** Whether the bytes of an entry (of custom resources: as `entryAs` gives it) are what clients want to see. */
export function isDirect(served: ServedResource): boolean {
  return served.stored === served.kind || served.view !== undefined;
}

/** A custom resource's entry as the version asked for has it; others are as they are stored. */
export function entryAs(served: ServedResource, entry: CacheEntry): CacheEntry | Promise<CacheEntry> {
  const { view } = served;
  if (view === undefined) return entry;
  return view.ready([entry])?.then(() => view.of(entry)) ?? view.of(entry);
}

export function entriesAs(served: ServedResource, entries: CacheEntry[]): CacheEntry[] | Promise<CacheEntry[]> {
  const { view } = served;
  if (view === undefined) return entries;
  const all = () => entries.map((entry) => view.of(entry));
  return view.ready(entries)?.then(all) ?? all();
}

/** A stored object, of any kind, in the version asked for. */
export async function objectAs(served: ServedResource, object: AnyObject): Promise<AnyObject> {
  if (served.view === undefined) return fromStored(served, object);
  return (await entryAs(served, new CacheEntry('', 0, undefined, object))).object;
}
