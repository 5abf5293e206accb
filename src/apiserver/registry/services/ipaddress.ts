/** The IPAddress objects that say which Service has which address: stored with the Service, in one transaction. */
import type { AnyObject } from '../../../machinery/index.ts';

export function ipAddressOf(service: AnyObject, address: string): AnyObject {
  const { name, namespace } = service.metadata;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: {
      name: address,
      labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator' },
    },
    spec: { parentRef: { group: '', resource: 'services', namespace, name } },
  };
}

/** The Service's own address; undefined when it is headless or an external name. */
export function addressOf(service: AnyObject | undefined): string | undefined {
  const address = service?.spec?.clusterIP;
  return address && address !== 'None' ? address : undefined;
}
