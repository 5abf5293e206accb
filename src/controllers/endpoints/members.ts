/** Which pods stand behind a Service, and how each is told of. Pure. */
import type { Pod, Service, ServicePort } from '../../api/index.ts';
import { isActive, isReady, isTerminating } from '../pods.ts';

export type Family = 'IPv4' | 'IPv6';

export interface Member {
  /** In the order of `status.podIPs`. */
  addresses: readonly string[];
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  /** The host name under which the Service's name leads to this pod alone. */
  hostname?: string;
  zone?: string;
  pod: Pod;
  ports: EndpointPort[];
}

export interface EndpointPort {
  /** Of the Service's port; '' when it has none. */
  name: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

export function selects({ spec }: Service, { metadata }: Pod): boolean {
  return Object.entries(spec.selector ?? {}).every(([name, value]) => metadata.labels?.[name] === value);
}

export function hasSelector({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0;
}

/** Pods that have an address and have not ended, those that are ending among them, by name. `zoneOf`: of a node. */
export function membersOf(
  service: Service,
  pods: readonly Pod[],
  zoneOf: (node: string) => string | undefined = () => undefined,
): Member[] {
  return pods
    .filter((pod) => (isActive(pod) || isTerminating(pod)) && addressesOf(pod).length > 0)
    .toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
    .map((pod) => {
      const terminating = pod.metadata.deletionTimestamp !== undefined;
      const serving = isReady(pod);
      const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
      const { hostname, subdomain, nodeName } = pod.spec;
      const zone = nodeName ? zoneOf(nodeName) : undefined;
      return {
        addresses: addressesOf(pod),
        ready,
        serving,
        terminating,
        ...(hostname && subdomain === service.metadata.name && { hostname }),
        ...(zone && { zone }),
        pod,
        ports: portsFor(service, pod),
      };
    });
}

function addressesOf({ status }: Pod): string[] {
  const listed = (status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  return listed.length > 0 ? listed : status?.podIP ? [status.podIP] : [];
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

export function familiesOf({ spec }: Service): Family[] {
  const { ipFamilies = [] } = spec;
  return ipFamilies.length > 0 ? (ipFamilies as Family[]) : ['IPv4'];
}

/** A named target port is whatever the pod calls so; a pod that has none is left out of that port. */
function portsFor(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol && { appProtocol }) }];
  });
}

function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const { targetPort: target, protocol = 'TCP' } = port;
  if (typeof target === 'number') return target || port.port;
  if (target === undefined || target === '') return port.port;
  const sidecars = (pod.spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars])
    for (const one of container.ports ?? [])
      if (one.name === target && (one.protocol ?? 'TCP') === protocol) return one.containerPort;
  return undefined;
}

export function groupBy<T>(items: readonly T[], key: (item: T) => string): T[][] {
  return Object.values(Object.groupBy(items, key) as Record<string, T[]>);
}
