/** Whether the server behind an APIService can be reached, said as upstream says it, and what it serves. */
import type { APIServiceCondition } from '../../api/index.ts';
import { type AnyObject, isObject } from '../../machinery/index.ts';
import { all, lookup } from '../admission/lookup.ts';
import { system } from '../ownwrites.ts';
import type { Registry } from '../registry/index.ts';
import type { Remote } from './remote.ts';

export interface Found {
  readonly condition: Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;
  /** What its discovery lists; absent when it could not be asked. */
  readonly resources?: readonly Readonly<Record<string, any>>[];
}

const timeout = 5_000;
const limit = 4 << 20;
const services = { group: '', version: 'v1', resource: 'services' };
const slices = { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' };

export async function lookAt(registry: Registry, remote: Remote): Promise<Found> {
  const problem = await pathProblem(registry, remote);
  if (problem !== undefined) return { condition: { status: 'False', ...problem } };
  try {
    const resources = await discover(registry, remote);
    return { condition: { status: 'True', reason: 'Passed', message: 'all checks passed' }, resources };
  } catch (error) {
    const where = `https://${remote.service.name}.${remote.service.namespace}.svc:${remote.service.port}`;
    const message = `failing or missing response from ${where}/apis/${remote.group}/${remote.version}: ${(error as Error).message}`;
    return { condition: { status: 'False', reason: 'FailedDiscoveryCheck', message } };
  }
}

async function pathProblem(
  registry: Registry,
  { service: { namespace, name, port } }: Remote,
): Promise<{ reason: string; message: string } | undefined> {
  const told = `service/${name} in ${JSON.stringify(namespace)}`;
  const service = await lookup(registry, services, namespace, name);
  if (service === undefined) return { reason: 'ServiceNotFound', message: `${told} is not present` };
  const found = service.spec.ports?.find((one: { port: number }) => one.port === port);
  if (found === undefined) return { reason: 'ServicePortError', message: `${told} is not listening on port ${port}` };
  const mine = (await all(registry, slices, namespace)).filter(
    ({ metadata }: AnyObject) => metadata.labels?.['kubernetes.io/service-name'] === name,
  );
  if (mine.length === 0) return { reason: 'EndpointsNotFound', message: `cannot find endpointslices for ${told}` };
  const portName = found.name ?? '';
  const isReady = ({ ports, endpoints }: AnyObject) =>
    ports?.some((one: { name?: string }) => (one.name ?? '') === portName) &&
    endpoints?.some((one: { conditions?: { ready?: boolean } }) => one.conditions?.ready !== false);
  if (mine.some(isReady)) return undefined;
  return {
    reason: 'MissingEndpoints',
    message: `endpointslices for ${told} have no addresses with port name ${JSON.stringify(portName)}`,
  };
}

async function discover(registry: Registry, remote: Remote): Promise<Found['resources']> {
  const abort = new AbortController();
  const timer = registry.clock.after(timeout, () => abort.abort());
  try {
    const answer = await remote.ask({
      method: 'GET',
      path: `/apis/${remote.group}/${remote.version}`,
      headers: { accept: 'application/json' },
      user: system,
      signal: abort.signal,
    });
    abort.signal.addEventListener('abort', () => answer.destroy(new Error('no answer in time')), { once: true });
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > limit) throw new Error('the answer is too long');
      parts.push(part);
    }
    const code = answer.statusCode ?? 0;
    if (code < 200 || code > 299) throw new Error(`bad status from the server: ${code}`);
    const list: unknown = JSON.parse(Buffer.concat(parts).toString());
    return isObject(list) && Array.isArray(list.resources) ? list.resources.filter(isObject) : [];
  } finally {
    timer.cancel();
  }
}
