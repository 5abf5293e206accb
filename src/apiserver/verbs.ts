/** From a request that passed the chain to its answer: which verb of the registry, which subresource, which review. */
import { StatusError } from '../machinery/index.ts';
import { cause } from '../machinery/index.ts';
import { checkFieldManager, type RequestInfo, type RequestOptions, type User } from './request.ts';
import {
  type Answer,
  create,
  get,
  list,
  type ListAnswer,
  patch,
  type PatchType,
  remove,
  removeCollection,
  type ResourceCall,
  update,
} from './registry/index.ts';
import { review, type ReviewContext } from './reviews.ts';
import { onSubresource, type SubresourceContext } from './subresources/index.ts';
import type { Resources } from './resources.ts';
import { readSource } from './sourced.ts';
import type { AnyObject } from '../machinery/index.ts';

export interface CallInput {
  readonly info: RequestInfo;
  readonly user: User;
  readonly options: RequestOptions;
  readonly body?: unknown;
  readonly duplicates?: readonly string[];
  readonly patchType?: PatchType;
  readonly userAgent: string;
  readonly signal?: AbortSignal;
  warn(message: string): void;
  annotate?: ((name: string, value: string) => void) | undefined;
  took?: ResourceCall['took'];
}

/** @throws `NotFound` when no such resource is served, `MethodNotAllowed` when it does not have the verb. */
export function callOf(resources: Resources, input: CallInput): ResourceCall {
  const { info } = input;
  const served = resources.find(info.group, info.version, info.resource);
  if (served === undefined) throw StatusError.noSuchPath();
  const verb = info.verb as ResourceCall['verb'];
  if (served.kind.namespaced && info.namespace === '' && !['list', 'watch'].includes(verb)) {
    // Upstream has no route for these: no one request deletes what all namespaces hold.
    if (served.kind.custom !== undefined || info.name !== '') throw StatusError.noSuchPath();
    throw StatusError.methodNotAllowed(served.kind, `${verb} across namespaces`);
  }
  if (!served.kind.namespaced && info.namespace !== '' && info.resource !== 'namespaces')
    throw StatusError.noSuchPath();
  if (info.subresource === '' && !(served.kind.verbs as readonly string[]).includes(verb))
    throw StatusError.methodNotAllowed(served.kind, verb);
  if (served.kind.custom?.warning !== undefined) input.warn(served.kind.custom.warning);
  if (served.kind.custom !== undefined && input.patchType === 'strategic')
    throw StatusError.unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    );
  if (verb === 'create' && info.name !== '' && info.subresource === '')
    throw StatusError.methodNotAllowed(served.kind, 'create with a name in the path');
  if ((verb === 'update' || verb === 'patch') && info.name === '')
    throw StatusError.methodNotAllowed(served.kind, `${verb} of a whole collection`);
  checkFieldManager(verb, input.options);
  return {
    served,
    verb,
    namespace: served.kind.namespaced ? info.namespace : '',
    name: info.name,
    subresource: info.subresource,
    options: input.options,
    user: input.user,
    body: input.body,
    duplicates: input.duplicates,
    patchType: input.patchType,
    userAgent: input.userAgent,
    signal: input.signal,
    warn: input.warn,
    ...(input.annotate && { annotate: input.annotate }),
    ...(input.took && { took: input.took }),
  };
}

export type Result = { answer: Answer } | { list: ListAnswer } | { removed: AnyObject[] };

export type VerbContext = SubresourceContext & ReviewContext;

/** Everything but watch, which goes on. */
export async function perform(context: VerbContext, call: ResourceCall): Promise<Result> {
  const { registry } = context;
  if (call.subresource !== '') return { answer: await onSubresource(context, call) };
  if (call.served.source !== undefined) return readSource(call.served.source, call);
  switch (call.verb) {
    case 'get':
      return { answer: await get(registry, call) };
    case 'list':
      return { list: await list(registry, call) };
    case 'create':
      return { answer: await (review(context, call) ?? podBinding(context, call) ?? create(registry, call)) };
    case 'update':
      return { answer: await update(registry, call) };
    case 'patch':
      return { answer: await patch(registry, call) };
    case 'delete':
      return { answer: await remove(registry, call) };
    case 'deletecollection':
      return { removed: await removeCollection(registry, call) };
    default:
      throw StatusError.methodNotAllowed(call.served.kind, call.verb);
  }
}

/** `POST …/bindings`, the older way to bind: the pod is named by the binding. */
function podBinding(context: VerbContext, call: ResourceCall): Promise<Answer> | undefined {
  const { kind } = call.served;
  if (kind.group !== '' || kind.resource !== 'bindings') return undefined;
  const name = (call.body as AnyObject | undefined)?.metadata?.name;
  if (!name) throw StatusError.invalid(kind, '', [cause.required('metadata.name')]);
  const pods = context.registry.resources.find('', 'v1', 'pods')!;
  return onSubresource(context, { ...call, served: pods, name, subresource: 'binding' });
}
