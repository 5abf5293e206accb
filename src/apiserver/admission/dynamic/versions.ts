/** The same object in another version that it is served in. */
import type { AnyObject } from '../../../machinery/index.ts';
import { objectAs, toStored } from '../../registry/convert.ts';
import type { Resources, ServedResource } from '../../resources.ts';

interface Known {
  readonly generation: number;
  readonly byPlace: Map<string, ServedResource[]>;
}
const known = new WeakMap<Resources, Known>();

/** The other versions of a resource, in whatever group: all that are kept in the same place. */
export function equivalentsOf(resources: Resources, served: ServedResource): readonly ServedResource[] {
  if (served.prefix === '') return [];
  let found = known.get(resources);
  if (found?.generation !== resources.generation) {
    const byPlace = new Map<string, ServedResource[]>();
    for (const one of resources.all()) byPlace.set(one.prefix, [...(byPlace.get(one.prefix) ?? []), one]);
    found = { generation: resources.generation, byPlace };
    known.set(resources, found);
  }
  return (found.byPlace.get(served.prefix) ?? []).filter((one) => one !== served);
}

export async function convertTo(from: ServedResource, to: ServedResource, object: AnyObject): Promise<AnyObject> {
  return from === to ? object : objectAs(to, await toStored(from, structuredClone(object)));
}
