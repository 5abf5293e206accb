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

/** `changed` is called with the Service's key, once for each change. A Service labelled for another proxy is not there. */
export function serviceSet(informers: Informers, changed: (key: string) => void): ServiceSet {
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
    synced: async () => void (await Promise.all([serviceInformer.synced(), sliceInformer.synced()])),
    stop: () => removals.forEach((remove) => remove()),
  };
}
