/**
 * What hangs below an object: other views of it (status, scale), acts on it (binding, eviction, token), and conversations with its node
 * (log, exec, attach, portforward, proxy). This list says which is answered by what.
 */
import { StatusError } from '../../machinery/index.ts';
import { type Answer, entryOf, patch, type ResourceCall, update } from '../registry/index.ts';
import { approve } from './approval.ts';
import { bind } from './binding.ts';
import { evict } from './eviction.ts';
import { finalize } from './finalize.ts';
import { getScale, patchScale, updateScale } from './scale.ts';
import { issueToken } from './token.ts';
import type { SubresourceContext } from './context.ts';

type Verb = (context: SubresourceContext, call: ResourceCall) => Promise<Answer>;

const read: Verb = async ({ registry }, call) => ({ code: 200, entry: await entryOf(registry, call) });
const written: Record<string, Verb> = {
  get: read,
  update: ({ registry }, call) => update(registry, call),
  patch: ({ registry }, call) => patch(registry, call),
};

const bySubresource: Record<string, Partial<Record<ResourceCall['verb'], Verb>>> = {
  __proto__: null as never,
  status: written,
  ephemeralcontainers: written,
  resize: written,
  scale: { get: getScale, update: updateScale, patch: patchScale },
  finalize: { update: finalize },
  approval: { get: read, update: approve, patch: approve },
  binding: { create: bind },
  eviction: { create: evict },
  token: { create: issueToken },
};

export async function onSubresource(context: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const { kind } = call.served;
  const declared = kind.subresources[call.subresource];
  if (declared === undefined) throw StatusError.noSuchPath();
  const verb = bySubresource[call.subresource]?.[call.verb];
  if (verb === undefined || !(declared.verbs as readonly string[]).includes(call.verb))
    throw StatusError.methodNotAllowed(
      { group: kind.group, resource: `${kind.resource}/${call.subresource}` },
      call.verb,
    );
  return verb(context, call);
}

export type { SubresourceContext };
