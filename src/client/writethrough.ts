import { keyOf, type KubeObject, parseSelector, type Resource, type Status } from '../machinery/index.ts';
import type { Client, WriteOptions } from './client.ts';
import type { Informer } from './informer.ts';
import type { Informers } from './informers.ts';

/**
 * A client whose writes show in the informers' caches as soon as they are answered, not only when the watch brings them
 * back. So whoever reads the cache after a write sees at least that write: a controller that has just made a Pod cannot
 * miss it and make another.
 */
export function writeThrough(client: Client, informers: Informers): Client {
  const observe = <R>(resource: Resource<any>, options: WriteOptions | undefined, answer: R): R => {
    const isWhole = options?.subresource === undefined || options.subresource === 'status';
    if (isWhole && options?.dryRun !== true && isObjectOf(resource, answer)) {
      for (const informer of informers.of(resource)) if (holds(informer, answer)) informer.observe(answer);
    }
    return answer;
  };
  return {
    get: (...call) => client.get(...call),
    list: (...call) => client.list(...call),
    watch: (...call) => client.watch(...call),
    create: async (resource, object, options) =>
      observe(resource, options, await client.create(resource, object, options)),
    update: async (resource, object, options) =>
      observe(resource, options, await client.update(resource, object, options)),
    patch: async (resource, ref, patch, options) =>
      observe(resource, options, await client.patch(resource, ref, patch, options)),
    apply: async (resource, object, options) =>
      observe(resource, options, await client.apply(resource, object, options)),
    delete: async (resource, ref, options) => {
      const answer = await client.delete(resource, ref, options);
      if (isObjectOf(resource, answer)) return observe(resource, options, answer);
      // Only what surely died: the server says which, or the caller did.
      const uid = (answer as Partial<Status> | undefined)?.details?.uid ?? options?.preconditions?.uid;
      if (uid === undefined || options?.dryRun === true) return answer;
      for (const informer of informers.of(resource)) informer.observeDeleted(keyOf({ metadata: ref }), uid);
      return answer;
    },
    deleteCollection: (...call) => client.deleteCollection(...call),
  };
}

function isObjectOf(resource: Resource<any>, answer: unknown): answer is KubeObject {
  const object = answer as KubeObject | undefined;
  return (
    object?.kind !== 'Status' &&
    object?.metadata?.resourceVersion !== undefined &&
    (object.kind ?? resource.kind) === resource.kind
  );
}

/** Whether the object is among those that the informer follows; with a field selector only the server can tell. */
function holds({ selection }: Informer<any>, { metadata }: KubeObject): boolean {
  if (selection.fieldSelector) return false;
  if (selection.namespace && selection.namespace !== metadata.namespace) return false;
  return !selection.labelSelector || parseSelector(selection.labelSelector).matches(metadata.labels);
}
