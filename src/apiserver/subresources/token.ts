/** A token for a service account (authentication/v1 TokenRequest). */
import { type AnyObject, cause, formatTime, StatusError } from '../../machinery/index.ts';
import { lookup } from '../admission/lookup.ts';
import type { BoundTo } from '../authn/index.ts';
import { type Answer, entryOf, type ResourceCall } from '../registry/index.ts';
import { admitted } from './admitted.ts';
import type { SubresourceContext } from './context.ts';

const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
const resources: Record<string, string> = { __proto__: null as never, Pod: 'pods', Secret: 'secrets', Node: 'nodes' };
const shortest = 600;
const longest = 2 ** 32;
/**
 * Seconds that the tokens of pods' own volumes are asked for, a value that nobody else would choose: programs that read theirs but once
 * live on, and are found in the record (upstream's `--service-account-extend-token-expiration`).
 */
const ownVolume = 3607;
const extended = 365 * 24 * 3600;

export async function issueToken({ registry, tokens }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const body = await admitted(registry, call);
  const spec = body.spec ?? {};
  const account = (await entryOf(registry, call)).object;
  const { uid } = body.metadata ?? {};
  if (uid && uid !== account.metadata.uid)
    throw StatusError.conflict(
      { group: kind.group, resource: kind.kind },
      call.name,
      `the UID in the token request (${uid}) does not match the UID of the service account (${account.metadata.uid})`,
    );
  const lifetime = spec.expirationSeconds ?? 3600;
  if (!Number.isInteger(lifetime) || lifetime < shortest || lifetime > longest)
    throw StatusError.invalid(kind, '', [
      cause.invalid(
        'spec.expirationSeconds',
        lifetime,
        `may not specify a duration less than 10 minutes or larger than 2^32 seconds`,
      ),
    ]);
  const boundTo = spec.boundObjectRef && (await boundObject(registry, call, spec.boundObjectRef, account));
  const forServer = (spec.audiences ?? []).every((one: string) => one === tokens.issuer);
  const outlives = boundTo?.kind === 'Pod' && lifetime === ownVolume && forServer;
  const { token, claims } = tokens.issue({
    serviceAccount: { namespace: call.namespace, name: call.name, uid: account.metadata.uid! },
    audiences: spec.audiences ?? [],
    lifetime: outlives ? extended : lifetime,
    ...(outlives && { warnAfter: lifetime }),
    boundTo,
  });
  call.annotate?.('authentication.kubernetes.io/issued-credential-id', `JTI=${claims.jti}`);
  const audiences = spec.audiences?.length ? spec.audiences : [tokens.issuer];
  return {
    code: 201,
    object: {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name: call.name, namespace: call.namespace, creationTimestamp: formatTime(registry.clock.now()) },
      spec: { ...spec, audiences, expirationSeconds: lifetime },
      status: { token, expirationTimestamp: formatTime((claims.iat + lifetime) * 1000) },
    } as AnyObject,
  };
}

async function boundObject(
  registry: SubresourceContext['registry'],
  call: ResourceCall,
  ref: { kind?: string; name?: string; uid?: string },
  account: AnyObject,
): Promise<BoundTo> {
  const resource = resources[ref.kind ?? ''];
  if (resource === undefined || !ref.name)
    throw StatusError.badRequest(
      `cannot bind token for serviceaccount to ${ref.kind} ${ref.name}: a Pod, Secret or Node is expected`,
    );
  const path = { group: '', version: 'v1', resource };
  const found = await lookup(registry, path, resource === 'nodes' ? '' : call.namespace, ref.name);
  if (found === undefined) throw StatusError.notFound(path, ref.name);
  if (ref.uid && ref.uid !== found.metadata.uid)
    throw StatusError.conflict(
      path,
      ref.name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (resource === 'pods' && found.spec.serviceAccountName !== account.metadata.name)
    throw StatusError.badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account.metadata.name)} to pod running with different serviceaccount name.`,
    );
  const node = resource === 'pods' ? await nodeOf(registry, found.spec.nodeName) : undefined;
  return { kind: ref.kind as 'Pod', name: ref.name, uid: found.metadata.uid!, ...(node && { node }) };
}

async function nodeOf(registry: SubresourceContext['registry'], name: string | undefined): Promise<BoundTo['node']> {
  if (!name) return undefined;
  const node = await lookup(registry, { group: '', version: 'v1', resource: 'nodes' }, '', name);
  return node && { name, uid: node.metadata.uid! };
}
