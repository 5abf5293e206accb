/** A resource whose objects are followed. */
import type { ResourceCache } from '../cache/index.ts';
import type { ServedResource } from '../resources.ts';

export interface Followed {
  readonly served: ServedResource;
  readonly cache: ResourceCache;
}
