/** Keeps the EndpointSlices and the Endpoints of every Service that selects pods. */
import { type Endpoints, endpoints, type EndpointSlice, endpointSlices, type Pod, pods, type Service, services } from '../../api/index.ts';
import type { Controller, ReconcileContext, Watched } from '../../client/index.ts';
import { equalJson, isStatusError, selectorFromSet } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';
import { membersOf } from './members.ts';
import { endpointsFor, managedByLabel, manager, serviceLabel, sliceChanges } from './slices.ts';

/** A pod concerns the Services that select it; only what an endpoint shows of it matters. */
const podsOfServices: Watched<Pod> = {
  resource: pods,
  when: (old, pod) => old === undefined || pod === undefined || !equalJson(shown(old), shown(pod)),
  keys: (pod, { lister }) =>
    lister<Service>(services)
      .list({ namespace: pod.metadata.namespace })
      .filter(({ spec }) => spec.selector && selectorFromSet(spec.selector).matches(pod.metadata.labels))
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
};

function shown({ metadata, spec, status }: Pod): unknown {
  return {
    labels: metadata.labels,
    going: metadata.deletionTimestamp !== undefined,
    node: spec.nodeName,
    hostname: spec.hostname,
    subdomain: spec.subdomain,
    ip: status?.podIP,
    phase: status?.phase,
    ready: status?.conditions?.find((one) => one.type === 'Ready')?.status,
  };
}

function selected(service: Service, { lister }: ReconcileContext): Pod[] {
  const selector = selectorFromSet(service.spec.selector);
  return lister<Pod>(pods).list({ namespace: service.metadata.namespace, selector });
}

export const endpointSliceController: Controller<Service> = {
  name: 'endpoint-slice-controller',
  for: services,
  watches: [
    podsOfServices,
    {
      resource: endpointSlices,
      keys: ({ metadata }) => {
        const name = metadata.labels?.[serviceLabel];
        return name !== undefined && metadata.labels?.[managedByLabel] === manager ? [`${metadata.namespace}/${name}`] : [];
      },
    },
  ],
  async reconcile(key, context) {
    const { client, lister } = context;
    const service = lister(services).get(key);
    if (service === undefined || !hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return;
    const existing = lister<EndpointSlice>(endpointSlices)
      .list({ namespace: service.metadata.namespace })
      .filter(({ metadata }) => metadata.labels?.[serviceLabel] === service.metadata.name && metadata.labels?.[managedByLabel] === manager);
    const changes = sliceChanges(service, membersOf(service, selected(service, context)), existing);
    await Promise.all([
      ...changes.create.map((slice) => client.create<EndpointSlice>(endpointSlices, slice).catch(ignoreEnding)),
      ...changes.update.map((slice) => client.update<EndpointSlice>(endpointSlices, slice)),
      ...changes.delete.map((slice) => client.delete(endpointSlices, refOf(slice)).catch(ignoreGone)),
    ]);
  },
};

export const endpointsController: Controller<Service> = {
  name: 'endpoints-controller',
  for: services,
  watches: [podsOfServices, { resource: endpoints, keys: ({ metadata }) => [`${metadata.namespace}/${metadata.name}`] }],
  async reconcile(key, context) {
    const { client, lister } = context;
    const service = lister(services).get(key);
    const known = lister<Endpoints>(endpoints).get(key);
    if (service === undefined) {
      // only what this controller made goes with the Service
      if (known?.metadata.labels?.[managedByLabel] === 'endpoint-controller') await client.delete(endpoints, refOf(known)).catch(ignoreGone);
      return;
    }
    if (!hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return;
    const wanted = endpointsFor(service, membersOf(service, selected(service, context)));
    if (known === undefined) return void (await client.create<Endpoints>(endpoints, wanted).catch(ignoreEnding));
    if (equalJson(known.subsets ?? [], wanted.subsets ?? []) && equalJson(known.metadata.labels, wanted.metadata.labels)) return;
    await client.update<Endpoints>(endpoints, {
      ...known,
      metadata: { ...known.metadata, labels: wanted.metadata.labels },
      subsets: wanted.subsets,
    } as Endpoints);
  },
};

function hasSelector({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0;
}

function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}

/** Nothing is made in a namespace that is going away. */
function ignoreEnding(error: unknown): void {
  if (!isStatusError(error, 'Forbidden', 'NotFound', 'AlreadyExists')) throw error;
}
