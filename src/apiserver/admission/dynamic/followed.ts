/** Something made of all objects of a resource, made anew only after one has changed. */
import type { AnyObject } from '../../../machinery/index.ts';
import type { ResourceCache } from '../../cache/index.ts';
import type { Registry } from '../../registry/context.ts';
import { cacheOf } from '../lookup.ts';

type Path = { group: string; version: string; resource: string };

export class Followed<T> {
  readonly #path: Path;
  readonly #make: (objects: AnyObject[]) => T;
  #cache: ResourceCache | undefined;
  #made: T | undefined;

  constructor(path: Path, make: (objects: AnyObject[]) => T) {
    this.#path = path;
    this.#make = make;
  }

  /** A promise at its first use, and from then on what there is. */
  of(registry: Registry): T | Promise<T> {
    if (this.#made !== undefined) return this.#made;
    if (this.#cache !== undefined) return this.#remake(this.#cache);
    const cache = cacheOf(registry, this.#path);
    return cache instanceof Promise ? cache.then((filled) => this.#follow(filled)) : this.#follow(cache);
  }

  #follow(cache: ResourceCache): T {
    if (this.#cache === undefined) {
      this.#cache = cache;
      cache.listen({ onEvents: () => (this.#made = undefined), onEnd: () => {} });
    }
    return this.#remake(cache);
  }

  #remake(cache: ResourceCache): T {
    const objects = Array.from(cache.entries.values(), (entry) => entry.object);
    this.#made = this.#make(objects.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1)));
    return this.#made;
  }
}
