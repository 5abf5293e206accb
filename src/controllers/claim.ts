/** Whose an object is: controllers adopt what matches and has no controller, and let go of what no longer matches. */
import { isStatusError, type KubeObject, type Resource, type Selector } from '../machinery/index.ts';
import type { ReconcileContext } from '../client/index.ts';
import { controllerRef } from './pods.ts';

/** The objects of `resource` that `owner` controls after adopting and letting go. `fits`: whether one that matches may be adopted. */
export async function claim<T extends KubeObject>(
  context: ReconcileContext,
  ownerResource: Resource<any>,
  owner: KubeObject,
  selector: Selector,
  resource: Resource<T>,
  fits: (object: T) => boolean = () => true,
): Promise<T[]> {
  const { lister } = context;
  const { uid, namespace, deletionTimestamp } = owner.metadata;
  const mine: T[] = [];
  for (const object of lister(resource).controlledBy(uid!)) {
    if (selector.matches(object.metadata.labels) || object.metadata.deletionTimestamp !== undefined) mine.push(object);
    else if (deletionTimestamp === undefined) await release(context, resource, owner, object);
  }
  if (deletionTimestamp !== undefined) return mine;
  for (const object of lister(resource).withoutController(namespace ?? '')) {
    const { labels, deletionTimestamp: going } = object.metadata;
    if (going !== undefined || !selector.matches(labels) || !fits(object)) continue;
    const adopted = await adopt(context, ownerResource, owner, resource, object);
    if (adopted !== undefined) mine.push(adopted);
  }
  return mine;
}

async function adopt<T extends KubeObject>(
  { client }: ReconcileContext,
  ownerResource: Resource<any>,
  owner: KubeObject,
  resource: Resource<T>,
  object: T,
): Promise<T | undefined> {
  // what the cache shows may be over: only an owner that is there, and stays, adopts
  const live = await client.get<KubeObject>(ownerResource, {
    name: owner.metadata.name!,
    namespace: owner.metadata.namespace!,
  });
  if (live.metadata.uid !== owner.metadata.uid || live.metadata.deletionTimestamp !== undefined) return undefined;
  const references = [...(object.metadata.ownerReferences ?? []), controllerRef(ownerResource, owner)];
  return write(client.patch(resource, refOf(object), patchOf(object, references)));
}

async function release<T extends KubeObject>(
  { client }: ReconcileContext,
  resource: Resource<T>,
  owner: KubeObject,
  object: T,
): Promise<void> {
  const references = (object.metadata.ownerReferences ?? []).filter((one) => one.uid !== owner.metadata.uid);
  await write(client.patch(resource, refOf(object), patchOf(object, references)));
}

function patchOf(object: KubeObject, ownerReferences: unknown[]) {
  const { uid, resourceVersion } = object.metadata;
  return { type: 'merge' as const, body: { metadata: { uid, resourceVersion, ownerReferences } } };
}

export function refOf({ metadata }: KubeObject): { name: string; namespace: string } {
  return { name: metadata.name!, namespace: metadata.namespace! };
}

/** Undefined when it is gone. Changed meanwhile is an error: who counts what is its own must look again first. */
async function write<T>(made: Promise<T>): Promise<T | undefined> {
  try {
    return await made;
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}
