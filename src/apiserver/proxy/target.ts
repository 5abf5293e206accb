/** Where a proxied request goes: `[scheme:]name[:port]` of a pod, a service or a node, looked up. */
import { isIPv4, isIPv6 } from 'node:net';
import { type AnyObject, StatusError } from '../../machinery/index.ts';
import { all, lookup } from '../admission/lookup.ts';
import { addressOf, type NodeCredentials } from '../nodeproxy.ts';
import type { Registry, ResourceCall } from '../registry/index.ts';
import { type Endpoint, refuseSimulated, refuseSimulatedEndpoint } from '../simulated.ts';

export interface Target {
  scheme: 'http' | 'https';
  host: string;
  port: number;
  /** With which the API server shows itself; absent: without, and whatever certificate is shown is taken. */
  credentials?: NodeCredentials;
}

interface Named {
  scheme: 'http' | 'https';
  name: string;
  /** '' when it is not said. */
  port: string;
}

const core = (resource: string) => ({ group: '', version: 'v1', resource });
const slices = { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' };

/** @throws BadRequest when it is none of `name`, `name:port`, `scheme:name:port`. */
export function namedOf(text: string): Named {
  const parts = text.split(':');
  const [scheme, name, port] = parts.length === 3 ? parts : ['', parts[0], parts[1] ?? ''];
  if (parts.length > 3 || !name || !['', 'http', 'https'].includes(scheme!))
    throw StatusError.badRequest(`"${text}": name, name:port or scheme:name:port is expected (http or https)`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port: port! };
}

export async function podTarget(registry: Registry, call: ResourceCall): Promise<Target> {
  const { scheme, name, port } = namedOf(call.name);
  const pod = await lookup(registry, core('pods'), call.namespace, name);
  if (pod === undefined) throw StatusError.notFound(core('pods'), name);
  const host: string | undefined = pod.status?.podIP;
  if (!host) throw StatusError.badRequest(`address not allowed: pod ${name} has no address yet`);
  await refuseSimulated(registry, pod.spec.nodeName);
  const first = pod.spec.containers.flatMap((one: AnyObject) => one.ports ?? [])[0]?.containerPort;
  return { scheme, host, port: numberOf(port === '' ? String(first ?? (scheme === 'https' ? 443 : 80)) : port) };
}

export async function serviceTarget(registry: Registry, call: ResourceCall): Promise<Target> {
  const { scheme, name, port } = namedOf(call.name);
  const service = await lookup(registry, core('services'), call.namespace, name);
  if (service === undefined) throw StatusError.notFound(core('services'), name);
  const ports: { name?: string; port: number }[] = service.spec.ports ?? [];
  const wanted = ports.find((one) =>
    port === '' ? ports.length === 1 : one.name === port || String(one.port) === port,
  );
  if (wanted === undefined && port === '' && ports.length > 1 && !ports.some((one) => !one.name))
    throw unavailable(`service ${name} has several ports: name one, as in ${name}:${ports[0]!.name}`);
  const chosen = wanted ?? ports.find((one) => port === '' && !one.name);
  if (chosen === undefined) throw unavailable(`no service port "${port}" found for service "${name}"`);
  const found = await endpointsOf(registry, call.namespace, name, chosen.name ?? '');
  if (found.length === 0) throw unavailable(`no endpoints available for service "${name}"`);
  const { host, port: number, pod, endpoint } = found[Math.floor(registry.random.next() * found.length)]!;
  await refuseSimulatedEndpoint(registry, call.namespace, endpoint);
  await checkAddress(registry, call.namespace, host, pod);
  return { scheme, host, port: number };
}

interface EndpointAddress {
  host: string;
  port: number;
  pod: string | undefined;
  endpoint: Endpoint;
}

async function endpointsOf(
  registry: Registry,
  namespace: string,
  service: string,
  port: string,
): Promise<EndpointAddress[]> {
  const own = (await all(registry, slices, namespace)).filter(
    ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === service,
  );
  return own.flatMap((slice) => {
    const number = slice.ports?.find((one: AnyObject) => (one.name ?? '') === port)?.port;
    if (typeof number !== 'number') return [];
    const ready = (slice.endpoints ?? []).filter((one: AnyObject) => one.conditions?.ready !== false);
    return ready.map((endpoint: Endpoint) => ({
      host: endpoint.addresses[0],
      port: number,
      pod: endpoint.targetRef?.kind === 'Pod' ? endpoint.targetRef.name : undefined,
      endpoint,
    }));
  });
}

/** Anybody may write an EndpointSlice; this machine's own listeners are not theirs to reach. */
async function checkAddress(
  registry: Registry,
  namespace: string,
  host: string,
  pod: string | undefined,
): Promise<void> {
  if (!isOurs(host)) return;
  const found = pod === undefined ? undefined : await lookup(registry, core('pods'), namespace, pod);
  const ips: { ip: string }[] = found?.status?.podIPs ?? [];
  if (!ips.some(({ ip }) => ip === host)) throw StatusError.badRequest(`address not allowed: ${host}`);
}

function isOurs(host: string): boolean {
  if (isIPv4(host)) return /^(127|0)\./.test(host) || host.startsWith('169.254.');
  return !isIPv6(host) || /^(::1?$|fe[89ab]|::ffff:)/i.test(host);
}

export async function nodeTarget(
  registry: Registry,
  call: ResourceCall,
  credentials: NodeCredentials | undefined,
): Promise<Target> {
  const { scheme, name, port } = namedOf(call.name);
  const node = await lookup(registry, core('nodes'), '', name);
  if (node === undefined) throw StatusError.notFound(core('nodes'), name);
  const host = addressOf(node);
  const agent: number = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10_250;
  if (port !== '' && numberOf(port) !== agent) {
    await refuseSimulated(registry, name);
    if (isOurs(host)) throw StatusError.badRequest(`address not allowed: ${host}`);
    return { scheme, host, port: numberOf(port) };
  }
  if (credentials === undefined)
    throw StatusError.serviceUnavailable('this API server was started without a way to reach nodes');
  return { scheme: 'https', host, port: agent, credentials };
}

function numberOf(port: string): number {
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65_535)
    throw StatusError.badRequest(`port "${port}" is not a number from 1 to 65535`);
  return number;
}

function unavailable(message: string): StatusError {
  return StatusError.serviceUnavailable(message);
}
