/** The EndpointSlices of every Service that selects pods. */
import {
  type Endpoint,
  type EndpointSlice,
  endpointSlices,
  type Node,
  nodes,
  type Pod,
  pods,
  type Service,
  services,
} from '../../api/index.ts';
import type { Controller, ReconcileContext, Watched } from '../../client/index.ts';
import { equalJson, selectorFromSet } from '../../machinery/index.ts';
import { controllerRef } from '../pods.ts';
import { familiesOf, type Family, familyOf, groupBy, hasSelector, type Member, membersOf, selects } from './members.ts';
import {
  type EndpointGroup,
  headlessLabel,
  managedByLabel,
  serviceLabel,
  sliceChanges,
  type SliceTemplate,
  triggerAnnotation,
} from './slices.ts';
import { writeSlices } from './write.ts';

const manager = 'endpointslice-controller.k8s.io';
const zoneLabel = 'topology.kubernetes.io/zone';
const mostInSlice = 100;

/** A pod concerns the Services that select it; only what an endpoint shows of it matters. */
export const podsOfServices: Watched<Pod> = {
  resource: pods,
  when: (old, pod) => old === undefined || pod === undefined || !equalJson(shown(old), shown(pod)),
  keys: (pod, { lister }) =>
    lister<Service>(services)
      .list({ namespace: pod.metadata.namespace })
      .filter((service) => hasSelector(service) && selects(service, pod))
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
};

function shown({ metadata, spec, status }: Pod): unknown {
  return {
    labels: metadata.labels,
    going: metadata.deletionTimestamp !== undefined,
    node: spec.nodeName,
    ip: status?.podIP,
    ips: status?.podIPs,
    phase: status?.phase,
    ready: status?.conditions?.find((one) => one.type === 'Ready')?.status,
  };
}

/** The pods that a Service selects. */
export function selectedPods({ metadata, spec }: Service, { lister }: ReconcileContext): Pod[] {
  return lister<Pod>(pods).list({ namespace: metadata.namespace, selector: selectorFromSet(spec.selector) });
}

export const endpointSliceController: Controller<Service> = {
  name: 'endpoint-slice-controller',
  account: 'endpointslice-controller',
  for: services,
  watches: [
    podsOfServices,
    {
      resource: endpointSlices,
      keys: ({ metadata }) =>
        metadata.labels?.[managedByLabel] === manager ? [`${metadata.namespace}/${metadata.labels[serviceLabel]}`] : [],
    },
    {
      // a node's zone is part of its pods' endpoints
      resource: nodes,
      when: (old: Node | undefined, node: Node | undefined) => zoneOf(old) !== zoneOf(node),
      keys: ({ metadata }, { lister }) =>
        lister<Service>(services)
          .list()
          .filter((service) => hasSelector(service) && metadata.name !== undefined)
          .map((service) => `${service.metadata.namespace}/${service.metadata.name}`),
    },
  ],
  async reconcile(key, context) {
    const { lister } = context;
    const service = lister(services).get(key);
    if (service === undefined || !hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return;
    const zones = (node: string) => zoneOf(lister<Node>(nodes).get(node));
    const members = membersOf(service, selectedPods(service, context), zones);
    const existing = lister<EndpointSlice>(endpointSlices)
      .list({ namespace: service.metadata.namespace })
      .filter(
        ({ metadata }) =>
          metadata.labels?.[serviceLabel] === service.metadata.name && metadata.labels?.[managedByLabel] === manager,
      );
    await writeSlices(
      sliceChanges(templateFor(service, members), groupsOf(service, members), existing, mostInSlice),
      context,
    );
  },
};

function zoneOf(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.[zoneLabel];
}

function templateFor(service: Service, members: readonly Member[]): SliceTemplate {
  const { name, namespace, labels } = service.metadata;
  const { [headlessLabel]: _, ...own } = labels ?? {};
  const headless = service.spec.clusterIP === 'None' || !service.spec.clusterIP;
  const trigger = lastChange(service, members);
  return {
    name: name!,
    namespace: namespace!,
    labels: { ...own, [serviceLabel]: name!, [managedByLabel]: manager, ...(headless && { [headlessLabel]: '' }) },
    ...(trigger && { annotations: { [triggerAnnotation]: trigger } }),
    owner: controllerRef(services, service),
  };
}

/** When a pod last became ready, or stopped being so; who measures how long news takes counts from here. */
export function lastChange({ metadata }: Service, members: readonly Member[]): string | undefined {
  const times = members.flatMap(({ pod }) => {
    const ready = pod.status?.conditions?.find((one) => one.type === 'Ready');
    return [ready?.lastTransitionTime ?? ''];
  });
  return [metadata.creationTimestamp ?? '', ...times].toSorted().at(-1) || undefined;
}

export function groupsOf(service: Service, members: readonly Member[]): EndpointGroup[] {
  return familiesOf(service).flatMap((addressType): EndpointGroup[] => {
    const reachable = members.filter(({ addresses }) => addresses.some((one) => familyOf(one) === addressType));
    if (reachable.length === 0) return [{ addressType, ports: [], endpoints: [] }];
    return groupBy(reachable, ({ ports }) => JSON.stringify(ports)).map((same) => ({
      addressType,
      ports: same[0]!.ports as EndpointGroup['ports'],
      endpoints: same.map((member) => endpointFor(service, member, addressType)),
    }));
  });
}

function endpointFor(
  service: Service,
  { addresses, ready, serving, terminating, hostname, zone, pod }: Member,
  family: Family,
): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  const { nodeName } = pod.spec;
  const hints = ready ? hintsFor(service, zone, nodeName) : undefined;
  return {
    addresses: [addresses.find((one) => familyOf(one) === family)!],
    conditions: { ready, serving, terminating },
    ...(hints && { hints }),
    ...(hostname && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(zone && { zone }),
  };
}

/** Who should prefer this endpoint, when the Service wants traffic to stay near. */
function hintsFor({ spec }: Service, zone: string | undefined, node: string | undefined): Endpoint['hints'] {
  const { trafficDistribution } = spec;
  if (!trafficDistribution) return undefined;
  const forZones = zone ? { forZones: [{ name: zone }] } : {};
  const forNodes = trafficDistribution === 'PreferSameNode' && node ? { forNodes: [{ name: node }] } : {};
  const hints = { ...forZones, ...forNodes };
  return Object.keys(hints).length > 0 ? hints : undefined;
}
