/** Acts below an object are asked about as what they are: a Binding, an Eviction, a TokenRequest that is created, options that connect. */
import { type AnyObject, isObject } from '../../machinery/index.ts';
import type { AdmissionRequest } from '../admission/index.ts';
import type { Registry, ResourceCall } from '../registry/index.ts';

/** The body as admission leaves it. */
export async function admitted(registry: Registry, call: ResourceCall): Promise<AnyObject> {
  const { group, version, kind } = call.served.kind.subresources[call.subresource]!.kind;
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const body = isObject(call.body) ? (call.body as Record<string, unknown>) : {};
  const object = { ...body, apiVersion, kind, metadata: { ...(body.metadata as object) } } as AnyObject;
  await ask({ registry, call, operation: 'CREATE', object, old: undefined });
  return object;
}

const optionKinds: Readonly<Record<string, string>> = {
  __proto__: null as never,
  exec: 'PodExecOptions',
  attach: 'PodAttachOptions',
  portforward: 'PodPortForwardOptions',
};
const flags = new Set(['stdin', 'stdout', 'stderr', 'tty']);

/** Whether a conversation may begin. Reading a log is none. */
export async function admittedToConnect(registry: Registry, call: ResourceCall, query: URLSearchParams): Promise<void> {
  const kind = optionKinds[call.subresource];
  if (kind === undefined) return;
  const options: Record<string, unknown> = {};
  for (const [name, value] of query) {
    if (flags.has(name)) options[name] = value === 'true' || value === '1';
    else if (name === 'container') options.container = value;
    else if (name === 'command') ((options.command ??= []) as string[]).push(value);
    else if (name === 'ports') ((options.ports ??= []) as number[]).push(...value.split(',').map(Number));
  }
  const object = { apiVersion: 'v1', kind, metadata: {}, ...options } as AnyObject;
  await ask({ registry, call, operation: 'CONNECT', object, old: undefined });
}

async function ask(request: AdmissionRequest): Promise<void> {
  await request.registry.admission.admit(request);
  await request.registry.admission.validate(request);
}
