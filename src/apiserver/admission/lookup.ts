/** Reading other objects from within an admission step. */
import type { AnyObject } from '../../machinery/index.ts';
import type { Registry } from '../registry/context.ts';
import { keyFor, type ServedResource } from '../resources.ts';

export async function lookup(
  registry: Registry,
  path: { group: string; version: string; resource: string },
  namespace: string,
  name: string,
): Promise<AnyObject | undefined> {
  const served = find(registry, path);
  const cache = await registry.resources.cache(served);
  return cache.entries.get(keyFor(served, namespace, name))?.object;
}

export async function all(
  registry: Registry,
  path: { group: string; version: string; resource: string },
): Promise<AnyObject[]> {
  const cache = await registry.resources.cache(find(registry, path));
  return Array.from(cache.entries.values(), (entry) => entry.object);
}

function find(registry: Registry, path: { group: string; version: string; resource: string }): ServedResource {
  const served = registry.resources.find(path.group, path.version, path.resource);
  if (served === undefined) throw new Error(`${path.resource}.${path.version}.${path.group} is not served`);
  return served;
}
