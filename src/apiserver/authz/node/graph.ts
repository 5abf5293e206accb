import type { AnyObject } from '../../../machinery/index.ts';
import type { CacheEvent, ResourceCache } from '../../cache/index.ts';
import { referencesOf } from './references.ts';

/** Which nodes have a pod that refers to what; follows the pods as they change. */
export class NodeGraph {
  /** By node: `resource/namespace/name`, and how many pods refer to it. */
  readonly #byNode = new Map<string, Map<string, number>>();

  constructor(pods: ResourceCache) {
    for (const entry of pods.entries.values()) this.#count(entry.object, 1);
    pods.listen({ onEvents: (events) => this.#take(events), onEnd: () => {} });
  }

  #take(events: readonly CacheEvent[]): void {
    for (const { deleted, entry, previous } of events) {
      const before = previous?.object;
      const now = deleted ? undefined : entry.object;
      if (before !== undefined && now !== undefined && refersAlike(before, now)) continue;
      // what stays is never gone in between
      if (now !== undefined) this.#count(now, 1);
      if (before !== undefined) this.#count(before, -1);
    }
  }

  #count(pod: AnyObject, by: 1 | -1): void {
    const node: string | undefined = pod.spec?.nodeName;
    if (!node) return;
    let counts = this.#byNode.get(node);
    if (counts === undefined) this.#byNode.set(node, (counts = new Map()));
    for (const key of referencesOf(pod)) {
      const count = (counts.get(key) ?? 0) + by;
      if (count > 0) counts.set(key, count);
      else counts.delete(key);
    }
    if (counts.size === 0) this.#byNode.delete(node);
  }

  /** Whether some pod on the node refers to it. */
  has(node: string, resource: string, namespace: string, name: string): boolean {
    return this.#byNode.get(node)?.has(`${resource}/${namespace}/${name}`) ?? false;
  }
}

/** Of a pod that has its node, hardly anything that it refers to changes. */
function refersAlike(before: AnyObject, now: AnyObject): boolean {
  return (
    before.spec?.nodeName === now.spec?.nodeName &&
    before.metadata.uid === now.metadata.uid &&
    before.spec?.ephemeralContainers?.length === now.spec?.ephemeralContainers?.length &&
    before.status?.resourceClaimStatuses?.length === now.status?.resourceClaimStatuses?.length &&
    before.status?.extendedResourceClaimStatus === undefined &&
    now.status?.extendedResourceClaimStatus === undefined
  );
}
