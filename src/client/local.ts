/** The client of an API server in the same process: a function call, with no socket and no re-serialisation. */
import {
  type AnyObject,
  cloneJson,
  type KubeList,
  type KubeObject,
  type Resource,
  type WatchEvent,
} from '../machinery/index.ts';
import type {
  ApplyOptions,
  Client,
  DeleteOptions,
  ListOptions,
  ObjectRef,
  Patch,
  ReadOptions,
  WatchOptions,
  WriteOptions,
} from './client.ts';

/** What the server offers to be called by. The apiserver's `LocalServer` has this shape. */
export interface LocalServer {
  call(request: LocalRequest): Promise<unknown>;
  watch(request: LocalRequest, onEvents: (events: WatchEvent[]) => void, onEnd: () => void): Promise<{ close(): void }>;
}

export interface LocalRequest {
  verb: string;
  resource: Pick<Resource, 'group' | 'version' | 'resource'>;
  namespace?: string;
  name?: string;
  subresource?: string;
  options: object;
  body?: unknown;
  patchType?: 'json' | 'merge' | 'strategic' | 'apply';
  signal?: AbortSignal;
}

export interface LocalOptions {
  /**
   * Answers and events are the server's own objects, for a caller that never changes one (informers, controllers): nothing is copied.
   * Absent: what is answered belongs to the caller.
   */
  share?: boolean;
}

export function localClient(shared: LocalServer, { share = false }: LocalOptions = {}): Client {
  const server = share ? shared : copying(shared);
  const write = (verb: string, resource: Resource, object: KubeObject, options: WriteOptions, patchType?: 'apply') => {
    const { subresource, signal, ...rest } = options;
    const { name, namespace } = object.metadata;
    const named = verb !== 'create' || subresource !== undefined;
    return server.call({
      verb,
      resource,
      namespace: resource.namespaced ? namespace : undefined,
      ...(named && { name }),
      subresource,
      options: rest,
      body: cloneJson(object),
      patchType,
      signal,
    }) as Promise<any>;
  };
  return {
    get: <T>(resource: Resource<T>, ref: ObjectRef, options: ReadOptions = {}) =>
      server.call({ verb: 'get', resource, ...ref, subresource: options.subresource, options: {} }) as Promise<T>,
    list: <T>(resource: Resource<T>, options: ListOptions = {}) => {
      const { namespace, signal, ...rest } = options;
      return server.call({ verb: 'list', resource, namespace, options: rest, signal }) as Promise<KubeList<T>>;
    },
    watch: (resource, options = {}) => watchEvents(server, resource, options),
    create: (resource, object, options = {}) => write('create', resource, object, options),
    update: (resource, object, options = {}) => write('update', resource, object, options),
    patch: <T>(resource: Resource<T>, ref: ObjectRef, patch: Patch, options: WriteOptions = {}) => {
      const { subresource, signal, ...rest } = options;
      const body = cloneJson(patch.type === 'json' ? patch.operations : patch.body);
      const request = {
        verb: 'patch',
        resource,
        ...ref,
        subresource,
        options: rest,
        body,
        patchType: patch.type,
        signal,
      };
      return server.call(request) as Promise<T>;
    },
    apply: (resource, object, options: ApplyOptions) => write('patch', resource, object, options, 'apply'),
    delete: async <T>(resource: Resource<T>, ref: ObjectRef, options: DeleteOptions = {}) => {
      const { signal, ...rest } = options;
      const answer = (await server.call({ verb: 'delete', resource, ...ref, options: rest, signal })) as AnyObject;
      return answer.kind === 'Status' ? undefined : (answer as T);
    },
    deleteCollection: async (resource, selection, options: DeleteOptions = {}) => {
      const { namespace, signal, ...rest } = selection;
      await server.call({ verb: 'deletecollection', resource, namespace, options: { ...rest, ...options }, signal });
    },
  };
}

function copying(server: LocalServer): LocalServer {
  return {
    call: async (request) => cloneJson(await server.call(request)),
    watch: (request, onEvents, onEnd) => server.watch(request, (events) => onEvents(cloneJson(events)), onEnd),
  };
}

async function* watchEvents<T>(
  server: LocalServer,
  resource: Resource<T>,
  { namespace, signal, ...options }: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  let queue: WatchEvent[] = [];
  let wake: (() => void) | undefined;
  let ended = signal?.aborted === true;
  const stir = () => {
    wake?.();
    wake = undefined;
  };
  const end = () => {
    ended = true;
    stir();
  };
  if (ended) return;
  signal?.addEventListener('abort', end, { once: true });
  const opened = await server.watch(
    { verb: 'watch', resource, namespace, options },
    (events) => {
      for (const event of events) queue.push(event);
      stir();
    },
    end,
  );
  try {
    for (;;) {
      const batch = queue;
      queue = [];
      for (const event of batch) {
        if (signal?.aborted) return;
        yield event as unknown as WatchEvent<T>;
      }
      if (queue.length > 0) continue;
      if (ended) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal?.removeEventListener('abort', end);
    opened.close();
  }
}
