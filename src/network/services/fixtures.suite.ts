/** Services and slices for tests, in as few words as they have. */
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../objects.ts';

type Spec = NonNullable<Service['spec']>;

export function service(name: string, clusterIP: string, spec: Partial<Spec> = {}, ports?: ServicePort[]): Service {
  return {
    metadata: { namespace: 'ns', name },
    spec: { clusterIP, ports: ports ?? [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
  };
}

/** `ip` is ready; `ip!` is not; `ip~` terminates and serves; `ip@node` is on that node (else on `here`). */
export function slice(
  of: string,
  endpoints: string[],
  port: number | { name: string; protocol: 'TCP' | 'UDP'; port: number } = 8080,
): EndpointSlice {
  return {
    metadata: { namespace: 'ns', name: `${of}-1`, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [typeof port === 'number' ? { name: 'http', protocol: 'TCP', port } : port],
    endpoints: endpoints.map(endpoint),
  };
}

function endpoint(text: string): Endpoint {
  const [, ip = '', sign = '', node = 'here'] = /^([\d.]+)([!~]?)(?:@(.*))?$/.exec(text) ?? [];
  return {
    addresses: [ip],
    nodeName: node,
    conditions: { ready: sign === '', serving: sign !== '!', terminating: sign === '~' },
  };
}
