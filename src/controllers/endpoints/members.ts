/** Which pods stand behind a Service, and how each is told of. Pure. */
import type { Pod, Service, ServicePort } from '../../api/index.ts';
import { isReady } from '../pods.ts';

export interface Member {
  address: string;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  pod: Pod;
  /** By the name of the Service's port. */
  ports: EndpointPort[];
}

export interface EndpointPort {
  name: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

export function membersOf(service: Service, pods: readonly Pod[]): Member[] {
  const members: Member[] = [];
  for (const pod of pods) {
    const address = pod.status?.podIP;
    if (!address || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') continue;
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const serving = isReady(pod);
    const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
    members.push({ address, ready, serving, terminating, pod, ports: portsFor(service, pod) });
  }
  return members.toSorted((a, b) => (a.pod.metadata.name! < b.pod.metadata.name! ? -1 : 1));
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
