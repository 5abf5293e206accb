/** Where a Service of the cluster is reached from here: at its endpoints, as its own address may not be routed on this machine. */
import { all, lookup } from '../admission/lookup.ts';
import type { Registry } from '../registry/context.ts';
import { type Endpoint, refuseSimulatedEndpoint } from '../simulated.ts';

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  readonly path?: string;
  readonly port?: number;
}

const services = { group: '', version: 'v1', resource: 'services' };
const slices = { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' };

/** @throws Error that says what is missing: the Service, its port, or a ready endpoint. */
export async function serviceAddress(
  registry: Registry,
  { namespace, name, port = 443 }: ServiceReference,
): Promise<{ host: string; port: number }> {
  const service = await lookup(registry, services, namespace, name);
  if (service === undefined) throw new Error(`service ${JSON.stringify(name)} not found`);
  const named = service.spec?.ports?.find((one: { port: number }) => one.port === port);
  if (named === undefined) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const ready: { host: string; port: number; endpoint: Endpoint }[] = [];
  for (const slice of await all(registry, slices, namespace)) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
    const target = slice.ports?.find((one: { name?: string }) => (one.name ?? '') === (named.name ?? ''))?.port;
    if (target === undefined) continue;
    for (const endpoint of slice.endpoints ?? [])
      if (endpoint.conditions?.ready !== false) ready.push({ host: endpoint.addresses[0], port: target, endpoint });
  }
  if (ready.length === 0) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  const { endpoint, ...address } = ready[Math.floor(registry.random.next() * ready.length)]!;
  await refuseSimulatedEndpoint(registry, namespace, endpoint);
  return address;
}
