/** The older kind, for who still reads it: one Endpoints object for every Service that selects pods. */
import {
  type EndpointAddress,
  type Endpoints,
  endpoints,
  type EndpointSubset,
  type Service,
  services,
} from '../../api/index.ts';
import type { Controller } from '../../client/index.ts';
import { equalJson } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';
import { lastChange, podsOfServices, selectedPods } from './endpointslice.ts';
import { familiesOf, familyOf, groupBy, hasSelector, type Member, membersOf } from './members.ts';
import { headlessLabel, triggerAnnotation } from './slices.ts';
import { ignoreEnding, ignoreGone } from './write.ts';

export const endpointsManagedBy = 'endpoints.kubernetes.io/managed-by';
const manager = 'endpoint-controller';
const overCapacity = 'endpoints.kubernetes.io/over-capacity';
const mostAddresses = 1000;

export const endpointsController: Controller<Service> = {
  name: 'endpoint-controller',
  for: services,
  watches: [
    podsOfServices,
    { resource: endpoints, keys: ({ metadata }) => [`${metadata.namespace}/${metadata.name}`] },
  ],
  async reconcile(key, context) {
    const { client, lister } = context;
    const service = lister(services).get(key);
    const known = lister<Endpoints>(endpoints).get(key);
    if (service === undefined) {
      // only what this controller made goes with the Service
      if (known?.metadata.labels?.[endpointsManagedBy] === manager)
        await client.delete(endpoints, refOf(known)).catch(ignoreGone);
      return;
    }
    if (!hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return;
    const members = membersOf(service, selectedPods(service, context));
    const wanted = endpointsFor(service, members);
    if (known === undefined) return void (await client.create<Endpoints>(endpoints, wanted).catch(ignoreEnding));
    if (says(known, wanted)) return;
    const { labels, annotations } = wanted.metadata;
    await client.update<Endpoints>(endpoints, {
      ...known,
      metadata: { ...known.metadata, labels, annotations: { ...withoutOurs(known), ...annotations } },
      subsets: wanted.subsets,
    });
  },
};

function says(known: Endpoints, wanted: Endpoints): boolean {
  return (
    equalJson(known.subsets ?? [], wanted.subsets ?? []) &&
    equalJson(known.metadata.labels, wanted.metadata.labels) &&
    known.metadata.annotations?.[overCapacity] === wanted.metadata.annotations?.[overCapacity]
  );
}

function withoutOurs({ metadata }: Endpoints): Record<string, string> {
  const { [triggerAnnotation]: _, [overCapacity]: __, ...others } = metadata.annotations ?? {};
  return others;
}

export function endpointsFor(service: Service, members: readonly Member[]): Endpoints {
  const { name, namespace, labels } = service.metadata;
  const { clusterIP, publishNotReadyAddresses } = service.spec;
  const family = familiesOf(service)[0]!;
  const shown = members
    .filter(({ terminating }) => !terminating || publishNotReadyAddresses === true)
    .filter(({ addresses }) => addresses.some((one) => familyOf(one) === family))
    // when there is not room for all, those that are ready come first
    .toSorted((a, b) => Number(b.ready) - Number(a.ready));
  const headless = clusterIP === 'None';
  const subsets = groupBy(shown.slice(0, mostAddresses), ({ ports }) => JSON.stringify(ports))
    .filter(([first]) => headless || first!.ports.length > 0)
    .map((same) =>
      subsetFor(same, (member) => addressFor(member, member.addresses.find((one) => familyOf(one) === family)!)),
    );
  const trigger = lastChange(service, members);
  const annotations = {
    ...(trigger && { [triggerAnnotation]: trigger }),
    ...(shown.length > mostAddresses && { [overCapacity]: 'truncated' }),
  };
  const { [headlessLabel]: _, ...own } = labels ?? {};
  return {
    metadata: {
      name,
      namespace,
      labels: { ...own, [endpointsManagedBy]: manager, ...(headless && { [headlessLabel]: '' }) },
      annotations,
    },
    ...(subsets.length > 0 && { subsets }),
  };
}

function subsetFor(members: readonly Member[], address: (member: Member) => EndpointAddress): EndpointSubset {
  const addresses = members.filter(({ ready }) => ready).map(address);
  const notReadyAddresses = members.filter(({ ready }) => !ready).map(address);
  const ports = members[0]!.ports.map(({ name, ...port }) => ({
    ...(name !== '' && { name }),
    ...port,
  })) as EndpointSubset['ports'];
  return {
    ...(addresses.length > 0 && { addresses }),
    ...(notReadyAddresses.length > 0 && { notReadyAddresses }),
    ...(ports!.length > 0 && { ports }),
  };
}

function addressFor({ hostname, pod }: Member, ip: string): EndpointAddress {
  const { name, namespace, uid } = pod.metadata;
  const { nodeName } = pod.spec;
  return {
    ip,
    ...(hostname && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}
