/** What webhooks and policies are told of a request. */
import { apiVersionOf, type AnyObject, type GroupVersionKind, parseApiVersion } from '../../../machinery/index.ts';
import type { AdmissionRequest, ResourceCall } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import { convertTo } from './versions.ts';

export interface Versioned {
  readonly kind: GroupVersionKind;
  readonly object: AnyObject | undefined;
  readonly old: AnyObject | undefined;
}

/** The kind of what travels: of a subresource, not always the resource's own. */
export function kindOf(served: ServedResource, { call, object }: AdmissionRequest): GroupVersionKind {
  const { group, version, kind } = served.kind;
  if (call.subresource === '') return { group, version, kind };
  const own = served.kind.subresources[call.subresource]?.kind;
  if (object?.kind !== undefined && object.apiVersion !== undefined && object.kind !== kind)
    return { ...parseApiVersion(object.apiVersion), kind: object.kind };
  // written through its own path, and yet as a whole
  if (own === undefined || object?.kind === kind) return { group, version, kind };
  return { group: own.group, version: own.version, kind: own.kind };
}

/** The request as the version has it; the same objects where it is the one that was asked in. */
export async function versionedAs(served: ServedResource, request: AdmissionRequest): Promise<Versioned> {
  const { call, object, old } = request;
  const kind = kindOf(served, request);
  if (served === call.served || kind.kind !== served.kind.kind) return { kind, object, old };
  return {
    kind,
    object: object && (await convertTo(call.served, served, object)),
    old: old && (await convertTo(call.served, served, old)),
  };
}

export function nameOf({ call, object }: AdmissionRequest): string {
  return call.name || object?.metadata?.name || '';
}

/** The namespace that a request is about: of a namespace, itself. */
export function namespaceOf({ call, object }: AdmissionRequest): string {
  const { kind } = call.served;
  if (kind.group === '' && kind.resource === 'namespaces') return call.name || object?.metadata?.name || '';
  return call.namespace;
}

const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions', CONNECT: '' } as const;

/** The options of the request, as the object that they are; undefined where there is none. */
export function optionsOf({ operation }: AdmissionRequest, { options, verb }: ResourceCall): object | undefined {
  const kind = verb === 'patch' ? 'PatchOptions' : optionKinds[operation];
  if (kind === '') return undefined;
  const { dryRun, fieldManager, fieldValidation, force, gracePeriodSeconds, propagationPolicy, preconditions } =
    options;
  const chosen =
    kind === 'DeleteOptions'
      ? { gracePeriodSeconds, propagationPolicy, preconditions, orphanDependents: options.orphanDependents }
      : { fieldManager, fieldValidation, ...(kind === 'PatchOptions' && { force }) };
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined && value !== '')),
    ...(dryRun && { dryRun: ['All'] }),
  };
}

export function userInfoOf({ user }: ResourceCall): object {
  const { name, uid, groups, extra } = user;
  return { username: name, ...(uid && { uid }), groups, ...(extra && Object.keys(extra).length > 0 && { extra }) };
}

/** The request as an AdmissionReview and the `request` of CEL have it, but for the objects. */
export function describe(request: AdmissionRequest, served: ServedResource, uid: string): Record<string, unknown> {
  const { call, operation } = request;
  const { group, version, resource } = served.kind;
  const asked = call.served.kind;
  const { namespace } = request.call;
  const of = namespaceOf(request) || namespace;
  const options = optionsOf(request, call);
  return {
    uid,
    kind: kindOf(served, request),
    resource: { group, version, resource },
    ...(call.subresource !== '' && { subResource: call.subresource }),
    requestKind: kindOf(call.served, request),
    requestResource: { group: asked.group, version: asked.version, resource: asked.resource },
    ...(call.subresource !== '' && { requestSubResource: call.subresource }),
    ...(nameOf(request) !== '' && { name: nameOf(request) }),
    ...(of !== '' && { namespace: of }),
    operation,
    userInfo: userInfoOf(call),
    dryRun: call.options.dryRun === true,
    options: options ?? null,
  };
}

/** With the kind and version that it is of, as it travels. */
export function typed(object: AnyObject | undefined, kind: GroupVersionKind): AnyObject | null {
  if (object === undefined) return null;
  if (object.kind !== undefined && object.apiVersion !== undefined) return object;
  return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
}
