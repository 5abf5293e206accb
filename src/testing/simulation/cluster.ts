/** What is stored, as it is now and was lately: fed by every write, read by the rules. */
import type { AnyObject } from '../../machinery/index.ts';
import type { Store, StoreEvent } from '../../store/index.ts';

export interface Changed {
  readonly resource: string;
  readonly key: string;
  readonly before: AnyObject | undefined;
  readonly after: AnyObject | undefined;
}

export class StoredState {
  /** By resource (`apps/deployments`, `core/pods`), by `namespace/name`. */
  readonly #objects = new Map<string, Map<string, AnyObject>>();
  /** How many writes there were. */
  writes = 0;

  follow(store: Store, onChange: (changed: Changed) => void): void {
    store.watch({
      start: '/registry/',
      end: '/registry0',
      fromRevision: 1,
      onEvents: (events) => {
        for (const event of events) onChange(this.#take(event));
      },
      onEnd: () => {},
    });
  }

  #take({ key, value, attachment }: StoreEvent): Changed {
    this.writes++;
    const [group, resource, ...name] = key.slice('/registry/'.length).split('/');
    const place = `${group}/${resource}`;
    const objects = this.#objects.get(place) ?? new Map<string, AnyObject>();
    this.#objects.set(place, objects);
    const id = name.join('/');
    const before = objects.get(id);
    const after =
      value &&
      ((attachment as { object: AnyObject } | undefined)?.object ??
        (JSON.parse(Buffer.from(value).toString()) as AnyObject));
    if (after === undefined) objects.delete(id);
    else objects.set(id, after);
    return { resource: place, key: id, before, after };
  }

  of(resource: string): Iterable<AnyObject> {
    return this.#objects.get(resource)?.values() ?? [];
  }

  get(resource: string, key: string): AnyObject | undefined {
    return this.#objects.get(resource)?.get(key);
  }
}

/** Counts against its controller's bounds: not over, and not asked to end. */
export function isActive({ metadata, status }: AnyObject): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

export function isReady({ status }: AnyObject): boolean {
  return status?.conditions?.some((one: AnyObject) => one.type === 'Ready' && one.status === 'True') ?? false;
}

export function ownerOf({
  metadata,
}: AnyObject): AnyObject['metadata']['ownerReferences'] extends (infer T)[] | undefined ? T | undefined : never {
  return metadata.ownerReferences?.find((one) => one.controller === true);
}
