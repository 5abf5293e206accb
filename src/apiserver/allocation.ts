/** Keeps the addresses and node ports of Services in step with what is stored. */
import { type AnyObject, type Clock, formatTime, type Random } from '../machinery/index.ts';
import { endOf, type ResourceCache, storedBytes } from './cache/index.ts';
import {
  type AddressPlace,
  nodePortKeys,
  type Registry,
  type ServiceRanges,
  ServiceRegistry,
} from './registry/index.ts';
import { keyFor, type Resources, type ServedResource } from './resources.ts';

export async function followServices(
  resources: Resources,
  ranges: ServiceRanges,
  by: { clock: Clock; random: Random },
): Promise<ServiceRegistry> {
  const addresses = servedAs(resources, 'networking.k8s.io', 'ipaddresses');
  const [given, stored] = [await resources.cache(addresses), await servicesOf(resources)];
  const services = new ServiceRegistry(ranges, placeOf(addresses, given, by));
  for (const entry of stored.entries.values()) services.load(entry.object);
  for (const entry of given.entries.values()) services.loadAddress(entry.object.metadata.name!);
  stored.listen({ onEvents: (events) => services.observe(events), onEnd: () => {} });
  given.listen({ onEvents: (events) => services.observeAddresses(events), onEnd: () => {} });
  return services;
}

/** Writes what a Service lacks of its own: its IPAddress, the keys of its node ports. */
export async function repairAllocations({ services, store, resources }: Registry): Promise<void> {
  const { entries } = await store.range({ start: nodePortKeys, end: endOf(nodePortKeys) });
  const keys = new Set(entries.map(({ key }) => key));
  // a comparison that fails: somebody else has just written it
  for (const { object } of (await servicesOf(resources)).entries.values())
    for (const { compare, writes } of services.missing(object, (key) => keys.has(key)))
      await store.txn({ compare: [...compare], writes: [...writes] });
}

async function servicesOf(resources: Resources): Promise<ResourceCache> {
  return resources.cache(servedAs(resources, '', 'services'));
}

function servedAs(resources: Resources, group: string, resource: string): ServedResource {
  const served = resources.find(group, 'v1', resource);
  if (served === undefined) throw new Error(`${resource} of ${JSON.stringify(group)} is not served`);
  return served;
}

function placeOf(
  served: ServedResource,
  cache: ResourceCache,
  { clock, random }: { clock: Clock; random: Random },
): AddressPlace {
  const key = (address: string) => keyFor(served, '', address);
  return {
    key,
    has: (address) => cache.entries.get(key(address)) !== undefined,
    bytes: (object: AnyObject) => {
      const { metadata } = object;
      const creationTimestamp = formatTime(clock.now());
      return storedBytes({
        ...object,
        metadata: { ...metadata, uid: random.uuid(), creationTimestamp, generation: 1 },
      });
    },
  };
}
