/** Endpoints that somebody wrote by hand, for a Service without a selector, as EndpointSlices: those are what is read. */
import {
  type Endpoint,
  type EndpointAddress,
  type Endpoints,
  endpoints,
  type EndpointSlice,
  endpointSlices,
  type Service,
  services,
} from '../../api/index.ts';
import type { Controller } from '../../client/index.ts';
import { controllerRef } from '../pods.ts';
import { type Family, familyOf } from './members.ts';
import {
  type EndpointGroup,
  managedByLabel,
  serviceLabel,
  sliceChanges,
  type SliceTemplate,
  triggerAnnotation,
} from './slices.ts';
import { writeSlices } from './write.ts';

const manager = 'endpointslicemirroring-controller.k8s.io';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const notCopied = new Set([triggerAnnotation, 'kubectl.kubernetes.io/last-applied-configuration']);
const mostOfSubset = 1000;

export const endpointSliceMirroring: Controller<Endpoints> = {
  name: 'endpoint-slice-mirroring-controller',
  account: 'endpointslicemirroring-controller',
  for: endpoints,
  watches: [
    { resource: services, keys: ({ metadata }) => [`${metadata.namespace}/${metadata.name}`] },
    {
      resource: endpointSlices,
      keys: ({ metadata }) =>
        metadata.labels?.[managedByLabel] === manager ? [`${metadata.namespace}/${metadata.labels[serviceLabel]}`] : [],
    },
  ],
  async reconcile(key, context) {
    const { lister, events } = context;
    const object = lister(endpoints).get(key);
    const service = lister<Service>(services).get(key);
    const [namespace, name] = key.split('/') as [string, string];
    const existing = lister<EndpointSlice>(endpointSlices)
      .list({ namespace })
      .filter(
        ({ metadata }) => metadata.labels?.[serviceLabel] === name && metadata.labels?.[managedByLabel] === manager,
      );
    if (object === undefined || service === undefined || !isMirrored(object, service))
      return writeSlices({ create: [], update: [], delete: existing }, context);
    const left = leftOut(object);
    if (left > 0)
      events.event(
        object,
        'Warning',
        'TooManyAddressesToMirror',
        `A max of ${mostOfSubset} addresses can be mirrored to EndpointSlices per Endpoints subset. ${left} addresses were skipped`,
      );
    await writeSlices(sliceChanges(templateFor(object), mirrored(object), existing, mostOfSubset), context);
  },
};

function isMirrored({ metadata }: Endpoints, { spec }: Service): boolean {
  if (Object.keys(spec.selector ?? {}).length > 0 || metadata.deletionTimestamp !== undefined) return false;
  return metadata.labels?.[skipLabel] !== 'true' && metadata.annotations?.[leaderAnnotation] === undefined;
}

function templateFor(object: Endpoints): SliceTemplate {
  const { name, namespace, labels, annotations } = object.metadata;
  const copied = Object.entries(annotations ?? {}).filter(([key]) => !notCopied.has(key));
  return {
    name: name!,
    namespace: namespace!,
    labels: { ...labels, [serviceLabel]: name!, [managedByLabel]: manager },
    ...(copied.length > 0 && { annotations: Object.fromEntries(copied) }),
    owner: controllerRef(endpoints, object),
  };
}

/** Addresses beyond what a subset may have. */
function leftOut({ subsets = [] }: Endpoints): number {
  const sizes = subsets.map(
    ({ addresses = [], notReadyAddresses = [] }) => addresses.length + notReadyAddresses.length,
  );
  return sizes.reduce((total, size) => total + Math.max(0, size - mostOfSubset), 0);
}

export function mirrored({ subsets = [] }: Endpoints): EndpointGroup[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const all = [
      ...addresses.map((one) => ({ ip: one.ip, endpoint: endpointFor(one, true) })),
      ...notReadyAddresses.map((one) => ({ ip: one.ip, endpoint: endpointFor(one, false) })),
    ].slice(0, mostOfSubset);
    const named = ports.map((port) => ({ name: '', ...port }));
    return (['IPv4', 'IPv6'] as Family[]).flatMap((addressType): EndpointGroup[] => {
      const ours = all.filter(({ ip }) => familyOf(ip) === addressType).map(({ endpoint }) => endpoint);
      return ours.length > 0 ? [{ addressType, ports: named, endpoints: ours }] : [];
    });
  });
}

function endpointFor({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname && { hostname }),
    ...(nodeName && { nodeName }),
    ...(targetRef && { targetRef }),
  };
}
