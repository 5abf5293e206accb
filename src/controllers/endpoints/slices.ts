/** Members as EndpointSlices and as Endpoints. Pure. */
import { type Endpoints, type EndpointSlice, type Service, services } from '../../api/index.ts';
import { equalJson } from '../../machinery/index.ts';
import { controllerRef } from '../pods.ts';
import type { EndpointPort, Member } from './members.ts';

export const serviceLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const manager = 'endpointslice-controller.k8s.io';
const headlessLabel = 'service.kubernetes.io/headless';
const mostInSlice = 100;

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

export interface Changes {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
}

/** What to write so that the slices of a Service say what its members are; slices that say it already stay untouched. */
export function sliceChanges(service: Service, members: readonly Member[], existing: readonly EndpointSlice[]): Changes {
  const changes: Changes = { create: [], update: [], delete: [] };
  const labels = labelsOf(service);
  const groups = byPorts(members);
  // with no member there is still one slice, so that nobody waits for one
  if (groups.size === 0) groups.set('[]', { ports: [], members: [] });
  const left = new Set(existing);
  for (const { ports, members: group } of groups.values()) {
    const same = existing.filter((slice) => left.has(slice) && equalJson(slice.ports ?? [], ports));
    const chunks = chunksOf(group.map((member) => endpointOf(service, member)), same);
    for (const { slice, endpoints } of chunks) {
      if (slice === undefined) changes.create.push(newSlice(service, labels, ports, endpoints));
      else {
        left.delete(slice);
        if (equalJson(slice.endpoints, endpoints) && equalJson(slice.metadata.labels, labels)) continue;
        changes.update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints });
      }
    }
  }
  changes.delete.push(...left);
  return changes;
}

function byPorts(members: readonly Member[]): Map<string, { ports: EndpointPort[]; members: Member[] }> {
  const groups = new Map<string, { ports: EndpointPort[]; members: Member[] }>();
  for (const member of members) {
    const key = JSON.stringify(member.ports);
    const group = groups.get(key);
    if (group) group.members.push(member);
    else groups.set(key, { ports: member.ports, members: [member] });
  }
  return groups;
}

/** Endpoints stay in the slice that has them; new ones fill what has room; the rest makes new slices. */
function chunksOf(endpoints: Endpoint[], slices: readonly EndpointSlice[]): { slice?: EndpointSlice; endpoints: Endpoint[] }[] {
  const byUid = new Map(endpoints.map((one) => [one.targetRef?.uid ?? one.addresses[0], one]));
  const chunks = slices.map((slice) => {
    const kept: Endpoint[] = [];
    for (const one of slice.endpoints ?? []) {
      const now = byUid.get(one.targetRef?.uid ?? one.addresses[0]);
      if (now === undefined) continue;
      kept.push(now);
      byUid.delete(one.targetRef?.uid ?? one.addresses[0]);
    }
    return { slice, endpoints: kept } as { slice?: EndpointSlice; endpoints: Endpoint[] };
  });
  const rest = [...byUid.values()];
  for (const chunk of chunks) while (rest.length > 0 && chunk.endpoints.length < mostInSlice) chunk.endpoints.push(rest.shift()!);
  for (let i = 0; i < rest.length; i += mostInSlice) chunks.push({ endpoints: rest.slice(i, i + mostInSlice) });
  const used = chunks.filter(({ endpoints: some }) => some.length > 0);
  return used.length > 0 ? used : chunks.slice(0, 1).length > 0 ? chunks.slice(0, 1) : [{ endpoints: [] }];
}

function endpointOf(service: Service, { address, ready, serving, terminating, pod }: Member): Endpoint {
  const { hostname, subdomain, nodeName } = pod.spec;
  const named = hostname && subdomain === service.metadata.name && pod.metadata.namespace === service.metadata.namespace;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(named && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
  };
}

function labelsOf(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    [serviceLabel]: service.metadata.name!,
    [managedByLabel]: manager,
    ...(service.spec.clusterIP === 'None' && { [headlessLabel]: '' }),
  };
}

function newSlice(service: Service, labels: Record<string, string>, ports: EndpointPort[], endpoints: Endpoint[]): EndpointSlice {
  return {
    metadata: {
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace,
      labels,
      ownerReferences: [controllerRef(services, service)],
    },
    addressType: 'IPv4',
    endpoints,
    ports,
  } as EndpointSlice;
}

const mostInEndpoints = 1000;

/** The older kind, for who still reads it. */
export function endpointsFor(service: Service, members: readonly Member[]): Endpoints {
  const shown = members.filter((member) => !member.terminating || service.spec.publishNotReadyAddresses === true).slice(0, mostInEndpoints);
  const subsets = [...byPorts(shown).values()]
    .filter(({ ports }) => ports.length > 0 || service.spec.clusterIP === 'None')
    .map(({ ports, members: group }) => {
      const addresses = group.filter(({ ready }) => ready).map((member) => addressOf(service, member));
      const notReadyAddresses = group.filter(({ ready }) => !ready).map((member) => addressOf(service, member));
      return {
        ...(addresses.length > 0 && { addresses }),
        ...(notReadyAddresses.length > 0 && { notReadyAddresses }),
        ...(ports.length > 0 && { ports: ports.map(({ name, ...port }) => ({ ...(name !== '' && { name }), ...port })) }),
      };
    });
  const labels = { ...service.metadata.labels, [managedByLabel]: 'endpoint-controller', ...(service.spec.clusterIP === 'None' && { [headlessLabel]: '' }) };
  return {
    metadata: {
      name: service.metadata.name,
      namespace: service.metadata.namespace,
      labels,
    },
    ...(subsets.length > 0 && { subsets }),
  } as Endpoints;
}

function addressOf(service: Service, member: Member) {
  const { hostname, nodeName, targetRef } = endpointOf(service, member);
  return { ip: member.address, ...(hostname && { hostname }), ...(nodeName && { nodeName }), targetRef };
}
