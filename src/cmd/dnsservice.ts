/** The cluster's DNS under its usual name: Service `kube-dns`, whose endpoint is this process. */
import { endpointSlices, services } from '../api/index.ts';
import type { Client } from '../client/index.ts';
import { isStatusError, type KubeObject, type Resource } from '../machinery/index.ts';

const namespace = 'kube-system';
const name = 'kube-dns';

export async function ensureDnsService(
  client: Client,
  clusterIP: string,
  at: { ip: string; port: number },
): Promise<void> {
  const ports = (['UDP', 'TCP'] as const).map((protocol) => ({
    name: protocol === 'UDP' ? 'dns' : 'dns-tcp',
    protocol,
    port: 53,
  }));
  await create(client, services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { 'k8s-app': name, 'kubernetes.io/name': 'CoreDNS' } },
    spec: { clusterIP, ports },
  } as KubeObject);
  await create(client, endpointSlices, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-glasshouse`, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [at.ip], conditions: { ready: true } }],
    ports: ports.map((port) => ({ ...port, port: at.port })),
  } as KubeObject);
}

async function create(client: Client, resource: Resource<any>, object: KubeObject): Promise<void> {
  const ref = { name: object.metadata.name!, namespace: object.metadata.namespace! };
  try {
    await client.get(resource, ref);
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
    await client.create(resource, object);
    return;
  }
  // the process's own port can differ from one start to the next
  if (resource.kind === 'EndpointSlice') await client.patch(resource, ref, { type: 'merge', body: object });
}
