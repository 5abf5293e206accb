import type { AnyObject, Resource, WatchEvent } from '../../machinery/index.ts';
import { keyOf, parseSelector, StatusError } from '../../machinery/index.ts';
import type { Client, ListOptions, ObjectRef } from '../client.ts';

type Event = WatchEvent & { rv: number; path: string };

/** Just enough of a server for tests of this folder: objects, resource versions, watches that can be held up or cut. */
export class StubServer {
  #objects = new Map<string, AnyObject>();
  #events: Event[] = [];
  #rv = 100;
  #compacted = 0;
  #wakes = new Set<() => void>();
  /** How often each verb was called. */
  readonly calls: Record<string, number> = {};
  /** Watches of these resources deliver nothing. */
  readonly #held = new Set<string>();
  /** Called before each request; what it throws, the request answers. */
  before: (verb: string, resource: Resource<any>) => void | Promise<void> = () => {};
  #cut = new AbortController();

  hold(resource: Resource<any>): void {
    this.#held.add(resource.resource);
  }
  release(): void {
    this.#held.clear();
    this.#wake();
  }
  /** Ends every watch. */
  cut(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
    this.#wake();
  }
  /** No watch can start before now any more. */
  compact(): void {
    this.#compacted = this.#rv;
  }
  bookmark(resource: Resource<any>): void {
    this.#push('BOOKMARK', resource, { metadata: { resourceVersion: String(++this.#rv) } });
  }

  put(resource: Resource<any>, object: AnyObject): AnyObject {
    const path = `${resource.resource}/${keyOf(object)}`;
    const old = this.#objects.get(path);
    const resourceVersion = String(++this.#rv);
    const uid = old?.metadata.uid ?? object.metadata.uid ?? `uid-${resourceVersion}`;
    const stored = { kind: resource.kind, ...object, metadata: { ...object.metadata, uid, resourceVersion } };
    this.#objects.set(path, stored);
    this.#push(old ? 'MODIFIED' : 'ADDED', resource, stored);
    return stored;
  }
  remove(resource: Resource<any>, ref: ObjectRef): AnyObject | undefined {
    const path = `${resource.resource}/${keyOf({ metadata: ref })}`;
    const old = this.#objects.get(path);
    if (old === undefined) return undefined;
    this.#objects.delete(path);
    const gone = { ...old, metadata: { ...old.metadata, resourceVersion: String(++this.#rv) } };
    this.#push('DELETED', resource, gone);
    return gone;
  }
  objects(resource: Resource<any>): AnyObject[] {
    return [...this.#objects].filter(([path]) => path.startsWith(`${resource.resource}/`)).map(([, object]) => object);
  }

  #push(type: Event['type'], resource: Resource<any>, object: AnyObject): void {
    this.#events.push({ type, object, rv: this.#rv, path: resource.resource });
    this.#wake();
  }
  #wake(): void {
    for (const wake of this.#wakes) wake();
  }
  async #count(verb: string, resource: Resource<any>): Promise<void> {
    this.calls[verb] = (this.calls[verb] ?? 0) + 1;
    await this.before(verb, resource);
  }

  async *#watch(resource: Resource<any>, options: ListOptions): AsyncGenerator<WatchEvent<any>> {
    await this.#count('watch', resource);
    const cut = this.#cut.signal;
    let from = Number(options.resourceVersion);
    if (from < this.#compacted) throw StatusError.expired('too old resource version');
    while (!cut.aborted && !options.signal?.aborted) {
      for (const event of this.#held.has(resource.resource) ? [] : this.#events) {
        if (event.rv <= from || event.path !== resource.resource) continue;
        from = event.rv;
        if (event.type === 'BOOKMARK' || selects(options, event.object))
          yield { type: event.type, object: event.object };
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wakes.delete(wake);
          options.signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#wakes.add(wake);
        options.signal?.addEventListener('abort', wake);
        const held = this.#held.has(resource.resource);
        if (!held && this.#events.some((event) => event.rv > from && event.path === resource.resource)) wake();
      });
    }
  }

  client(): Client {
    const client: Partial<Record<keyof Client, unknown>> = {
      get: async (resource: Resource<any>, ref: ObjectRef) => {
        await this.#count('get', resource);
        const found = this.#objects.get(`${resource.resource}/${keyOf({ metadata: ref })}`);
        if (found === undefined) throw StatusError.notFound(resource, ref.name);
        return found;
      },
      list: async (resource: Resource<any>, options: ListOptions = {}) => {
        await this.#count('list', resource);
        const at = String(this.#rv);
        const items = this.objects(resource).filter((object) => selects(options, object));
        return { items, metadata: { resourceVersion: at } };
      },
      watch: (resource: Resource<any>, options: ListOptions = {}) => this.#watch(resource, options),
      create: async (resource: Resource<any>, object: AnyObject) => {
        await this.#count('create', resource);
        const name = object.metadata.name ?? `${object.metadata.generateName}${this.#rv}`;
        const named = { ...object, metadata: { ...object.metadata, name } };
        if (this.#objects.has(`${resource.resource}/${keyOf(named)}`)) throw StatusError.alreadyExists(resource, name);
        return this.put(resource, named);
      },
      update: async (resource: Resource<any>, object: AnyObject) => {
        await this.#count('update', resource);
        const { name = '', resourceVersion } = object.metadata;
        const old = this.#objects.get(`${resource.resource}/${keyOf(object)}`);
        if (old === undefined) throw StatusError.notFound(resource, name);
        if (resourceVersion && old.metadata.resourceVersion !== resourceVersion) {
          throw StatusError.conflict(resource, name, 'the object has been modified');
        }
        return this.put(resource, object);
      },
      patch: async (resource: Resource<any>, ref: ObjectRef, patch: { body: object }) => {
        await this.#count('patch', resource);
        const old = this.#objects.get(`${resource.resource}/${keyOf({ metadata: ref })}`);
        if (old === undefined) throw StatusError.notFound(resource, ref.name);
        return this.put(resource, { ...old, ...patch.body });
      },
      delete: async (resource: Resource<any>, ref: ObjectRef) => {
        await this.#count('delete', resource);
        const gone = this.remove(resource, ref);
        if (gone === undefined) throw StatusError.notFound(resource, ref.name);
        return { kind: 'Status', status: 'Success', details: { uid: gone.metadata.uid } };
      },
    };
    return client as unknown as Client;
  }
}

function selects({ namespace, labelSelector }: ListOptions, { metadata }: AnyObject): boolean {
  if (namespace && metadata.namespace !== namespace) return false;
  return !labelSelector || parseSelector(labelSelector).matches(metadata.labels);
}
