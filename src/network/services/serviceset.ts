/** Services and their slices as they come from the watch; tells which Service has to be looked at again. */
import type { Informers } from '../../client/index.ts';
import { keyOf } from '../../machinery/index.ts';
import { type EndpointSlice, endpointSlices, type Service, serviceKeyOf, services } from '../objects.ts';

export interface ServiceSet {
  service(key: string): Service | undefined;
  slicesOf(key: string): readonly EndpointSlice[];
  /** Resolves once all that the server has was told. */
  synced(): Promise<void>;
  stop(): void;
}

/**
 * `tell` is called with the Service's key, once for each change, and never before this returns: informers that are shared may
 * have everything at once. A Service labelled for another proxy is not there.
 */
export function serviceSet(informers: Informers, tell: (key: string) => void): ServiceSet {
  let early: Set<string> | undefined = new Set();
  const changed = (key: string) => void (early ? early.add(key) : tell(key));
  const flushed = Promise.resolve().then(() => {
    const keys = early ?? [];
    early = undefined;
    for (const key of keys) tell(key);
  });
  const serviceInformer = informers.for(services);
  const sliceInformer = informers.for(endpointSlices);
  const slicesOf = sliceInformer.indexBy('service', (slice) => {
    const key = serviceKeyOf(slice);
    return key === undefined ? [] : [key];
  });
  const ofSlice = (slice: EndpointSlice) => {
    const key = serviceKeyOf(slice);
    if (key !== undefined) changed(key);
  };
  const removals = [
    serviceInformer.addHandler({
      onAdd: (service) => changed(keyOf(service)),
      onUpdate: (_, service) => changed(keyOf(service)),
      onDelete: (service) => changed(keyOf(service)),
    }),
    sliceInformer.addHandler({
      onAdd: ofSlice,
      onUpdate: (old, slice) => {
        if (serviceKeyOf(old) !== serviceKeyOf(slice)) ofSlice(old);
        ofSlice(slice);
      },
      onDelete: ofSlice,
    }),
  ];
  return {
    service(key) {
      const service = serviceInformer.lister.get(key);
      return service?.metadata.labels?.['service.kubernetes.io/service-proxy-name'] ? undefined : service;
    },
    slicesOf,
    synced: async () => void (await Promise.all([serviceInformer.synced(), sliceInformer.synced(), flushed])),
    stop: () => removals.forEach((remove) => remove()),
  };
}
