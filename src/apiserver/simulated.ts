/**
 * What runs on simulated nodes has addresses that are nobody's here, and may be somebody's elsewhere: nothing is ever sent to them.
 */
import { StatusError } from '../machinery/index.ts';
import { lookup } from './admission/lookup.ts';
import type { Registry } from './registry/index.ts';

const nodes = { group: '', version: 'v1', resource: 'nodes' };
const pods = { group: '', version: 'v1', resource: 'pods' };

/**
 * @param node what the address is of, or runs on
 * @throws ServiceUnavailable where that is simulated
 */
export async function refuseSimulated(registry: Registry, node: string | undefined): Promise<void> {
  if (node && (registry.simulated || (await runtimeOf(registry, node)).startsWith('sim://')))
    throw StatusError.serviceUnavailable(`node ${JSON.stringify(node)} is simulated: nothing listens at its addresses`);
}

/** Of an EndpointSlice. */
export type Endpoint = Readonly<Record<string, any>>;

/** The same for an endpoint, which may say where it runs, or only which pod it is. */
export async function refuseSimulatedEndpoint(
  registry: Registry,
  namespace: string,
  { nodeName, targetRef }: Endpoint,
): Promise<void> {
  const pod = targetRef?.kind === 'Pod' ? await lookup(registry, pods, namespace, targetRef.name!) : undefined;
  await refuseSimulated(registry, pod?.spec.nodeName ?? nodeName);
}

async function runtimeOf(registry: Registry, node: string): Promise<string> {
  const found = await lookup(registry, nodes, '', node);
  return found?.status?.nodeInfo?.containerRuntimeVersion ?? '';
}
