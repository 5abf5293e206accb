/** How many watchers from outside hear of a write: what fanning it out will cost. */
import type { RequestInfo } from '../request.ts';

export class Watchers {
  /** By resource, then by namespace and name. */
  readonly #counts = new Map<string, Map<string, number>>();

  /** Counts a watch until what it returns is called. One that hears only of the Pods of one node is too few to count. */
  register(info: RequestInfo): () => void {
    if (info.resource === 'pods' && info.group === '' && onOneNode.test(info.fieldSelector ?? '')) return () => {};
    const resource = `${info.group}/${info.resource}`;
    const place = `${info.namespace}/${info.name}`;
    const counts = this.#counts.get(resource) ?? new Map<string, number>();
    this.#counts.set(resource, counts);
    counts.set(place, (counts.get(place) ?? 0) + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = counts.get(place)! - 1;
      if (left > 0) counts.set(place, left);
      else counts.delete(place);
      if (counts.size === 0 && this.#counts.get(resource) === counts) this.#counts.delete(resource);
    };
  }

  interested({ group, resource, namespace, name }: RequestInfo): number {
    if (this.#counts.size === 0) return 0;
    const counts = this.#counts.get(`${group}/${resource}`);
    if (counts === undefined) return 0;
    const all = counts.get('/') ?? 0;
    const inNamespace = namespace === '' ? 0 : (counts.get(`${namespace}/`) ?? 0);
    const ofName = name === '' ? 0 : (counts.get(`${namespace}/${name}`) ?? 0);
    return all + inNamespace + ofName;
  }
}

const onOneNode = /(?:^|,)spec\.nodeName==?[^,!=]+(?:,|$)/;
