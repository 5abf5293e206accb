/** Objects in memory behind the client's interface: as much of an API as the agent's own tests need. */
import type { Client } from '../../client/index.ts';
import { type AnyObject, StatusError, type WatchEvent, cloneJson, keyOf } from '../../machinery/index.ts';
import type { Resource } from '../../machinery/index.ts';

type Watcher = (event: WatchEvent, resource: string) => void;

export interface TestApi extends Client {
  read(resource: Resource<any>, name: string, namespace?: string): AnyObject | undefined;
  put(resource: Resource<any>, object: AnyObject): AnyObject;
  drop(resource: Resource<any>, name: string, namespace?: string): void;
  /** Sets deletionTimestamp as a delete with grace does. */
  deleteGracefully(resource: Resource<any>, name: string, namespace: string, seconds: number): void;
  /** Of pods. */
  statusPatches: number;
}

export function testApi(now: () => number): TestApi {
  const store = new Map<string, AnyObject>();
  const watchers = new Set<Watcher>();
  let revision = 1;
  const at = (resource: Resource<any>, name: string, namespace = '') =>
    `${resource.resource}|${namespace ? `${namespace}/` : ''}${name}`;
  const history: { event: WatchEvent; resource: string }[] = [];
  const tell = (type: WatchEvent['type'], object: AnyObject, resource: string) => {
    history.push({ event: { type, object }, resource });
    for (const watcher of watchers) watcher({ type, object }, resource);
  };
  const put = (resource: Resource<any>, given: AnyObject): AnyObject => {
    const object = cloneJson(given);
    const key = `${resource.resource}|${keyOf(object)}`;
    const old = store.get(key);
    object.metadata.uid ??= old?.metadata.uid ?? `uid-${object.metadata.name}-${revision}`;
    object.metadata.resourceVersion = String(++revision);
    store.set(key, object);
    tell(old ? 'MODIFIED' : 'ADDED', object, resource.resource);
    return object;
  };
  const drop = (resource: Resource<any>, name: string, namespace = '') => {
    const old = store.get(at(resource, name, namespace));
    if (!old) return;
    store.delete(at(resource, name, namespace));
    tell('DELETED', { ...old, metadata: { ...old.metadata, resourceVersion: String(++revision) } }, resource.resource);
  };
  const matches = (object: AnyObject, selector: string | undefined, namespace: string | undefined) => {
    if (namespace && object.metadata.namespace !== namespace) return false;
    if (!selector) return true;
    const [path = '', value] = selector.split('=');
    return path.split('.').reduce<any>((of, part) => of?.[part], object) === value;
  };
  const api: TestApi = {
    statusPatches: 0,
    read: (resource, name, namespace) => store.get(at(resource, name, namespace)),
    put,
    drop,
    deleteGracefully(resource, name, namespace, seconds) {
      const object = cloneJson(store.get(at(resource, name, namespace)) as AnyObject);
      object.metadata.deletionTimestamp = new Date(now() + seconds * 1000).toISOString();
      object.metadata.deletionGracePeriodSeconds = seconds;
      put(resource, object);
    },
    async get(resource, { name, namespace }) {
      const found = store.get(at(resource, name, namespace));
      if (!found) throw StatusError.notFound(resource, name);
      return found as any;
    },
    async list(resource, { namespace, fieldSelector } = {}) {
      const all = [...store].filter(([key]) => key.startsWith(`${resource.resource}|`)).map(([, object]) => object);
      return {
        metadata: { resourceVersion: String(revision) },
        items: all.filter((object) => matches(object, fieldSelector, namespace)) as any[],
      };
    },
    async *watch(resource, { namespace, fieldSelector, signal, resourceVersion } = {}) {
      const queue: WatchEvent[] = [];
      let wake = () => {};
      const watcher: Watcher = (event, name) => {
        if (name === resource.resource && matches(event.object, fieldSelector, namespace)) queue.push(event);
        wake();
      };
      for (const { event, resource: name } of history) {
        if (Number(event.object.metadata.resourceVersion) > Number(resourceVersion)) watcher(event, name);
      }
      watchers.add(watcher);
      signal?.addEventListener('abort', () => wake());
      try {
        while (!signal?.aborted) {
          const event = queue.shift();
          if (event) yield event as any;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        watchers.delete(watcher);
      }
    },
    async create(resource, object, options) {
      if (options?.subresource === 'token') {
        const seconds = (object as AnyObject).spec.expirationSeconds;
        const token = `token-${++revision}`;
        return {
          ...object,
          status: { token, expirationTimestamp: new Date(now() + seconds * 1000).toISOString() },
        } as any;
      }
      return put(resource, object as AnyObject) as any;
    },
    update: async (resource, object) => put(resource, object as AnyObject) as any,
    async patch(resource, { name, namespace }, patch, options) {
      const old = store.get(at(resource, name, namespace));
      if (!old) throw StatusError.notFound(resource, name);
      if (options?.subresource === 'status' && resource.resource === 'pods') api.statusPatches++;
      return put(resource, mergeInto(cloneJson(old), (patch as { body: any }).body)) as any;
    },
    apply: async (resource, object) => put(resource, object as AnyObject) as any,
    async delete(resource, { name, namespace }) {
      drop(resource, name, namespace);
      return undefined;
    },
    deleteCollection: async () => {},
  };
  return api;
}

/** Merges maps and, as the API does for conditions and addresses, lists of things with a type or an ip. */
function mergeInto(old: any, patch: any): any {
  for (const name in patch) {
    const value = patch[name];
    if (value === null) delete old[name];
    else if (name === 'conditions') {
      const all: any[] = old[name] ?? [];
      const kept = all.filter(({ type }) => !value.some((each: any) => each.type === type));
      old[name] = [
        ...kept,
        ...value.map((each: any) => mergeInto({ ...all.find(({ type }) => type === each.type) }, each)),
      ];
    } else if (Array.isArray(value)) old[name] = value.filter((each) => each?.$patch === undefined);
    else if (typeof value === 'object') old[name] = mergeInto(old[name] ?? {}, value);
    else old[name] = value;
  }
  return old;
}
