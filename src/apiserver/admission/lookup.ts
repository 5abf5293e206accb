/** Reading other objects from within an admission step. */
import { type AnyObject, StatusError } from '../../machinery/index.ts';
import type { ResourceCache } from '../cache/index.ts';
import type { AdmissionRequest, Registry } from '../registry/context.ts';
import { keyFor, type ServedResource } from '../resources.ts';

type Path = { group: string; version: string; resource: string };

/** Filled, from its first use on: then nothing has to be waited for. */
export function cacheOf(registry: Registry, path: Path): ResourceCache | Promise<ResourceCache> {
  return registry.resources.cache(find(registry, path));
}

export async function lookup(
  registry: Registry,
  path: Path,
  namespace: string,
  name: string,
): Promise<AnyObject | undefined> {
  const served = find(registry, path);
  const cache = await registry.resources.cache(served);
  return cache.entries.get(keyFor(served, namespace, name))?.object;
}

/** All objects, or those of one namespace. */
export async function all(registry: Registry, path: Path, namespace = ''): Promise<AnyObject[]> {
  const served = find(registry, path);
  const { entries } = await registry.resources.cache(served);
  const start = `${served.prefix}${namespace}/`;
  const chosen = namespace === '' ? entries.values() : entries.range(start, `${start}\uffff`);
  return Array.from(chosen, (entry) => entry.object);
}

/** The step's refusal of a request, as upstream words it. */
export function forbidden({ call, object }: AdmissionRequest, why: string): StatusError {
  const name = call.name || object?.metadata?.name || object?.metadata?.generateName || '';
  return StatusError.forbidden(call.served.kind, name, why);
}

/** Gives an object the fields of another: those who asked hold on to the object itself. */
export function replace(object: AnyObject, by: AnyObject): void {
  for (const field of Object.keys(object)) if (!(field in by)) delete object[field];
  Object.assign(object, by);
}

function find(registry: Registry, path: Path): ServedResource {
  const served = registry.resources.find(path.group, path.version, path.resource);
  if (served === undefined) throw new Error(`${path.resource}.${path.version}.${path.group} is not served`);
  return served;
}
