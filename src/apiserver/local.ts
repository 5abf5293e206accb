/**
 * The server called as a function, by parts of the same process: the same checks and the same semantics as over HTTPS, without
 * sockets and without writing objects down to read them again. What comes back is shared with the caches: it is not to be changed.
 */
import { type AnyObject, apiVersionOf, type Resource, type WatchEvent } from '../machinery/index.ts';
import { require } from './chain.ts';
import type { Serving } from './serve.ts';
import { toStatus } from './serve.ts';
import {
  bookmarkOf,
  eventOf,
  fromStored,
  type PatchType,
  type ResourceCall,
  type Seen,
  watch,
} from './registry/index.ts';
import type { RequestInfo, RequestOptions, RequestVerb, User } from './request.ts';
import { listKindOf, listMeta } from './respond.ts';
import { callOf, perform } from './verbs.ts';

export interface LocalRequest {
  verb: string;
  resource: Pick<Resource, 'group' | 'version' | 'resource'>;
  namespace?: string;
  name?: string;
  subresource?: string;
  options: object;
  /** Taken over by the server: the caller must not use it afterwards. */
  body?: unknown;
  patchType?: PatchType;
  signal?: AbortSignal;
}

export interface LocalWatch {
  close(): void;
}

export class LocalServer {
  readonly #serving: Serving;
  readonly #user: User;
  readonly #userAgent: string;

  constructor(serving: Serving, user: User, userAgent: string) {
    this.#serving = serving;
    this.#user = user;
    this.#userAgent = userAgent;
  }

  /** Resolves with the object, the list, or the `Status` that was answered. */
  async call(request: LocalRequest): Promise<unknown> {
    try {
      const call = this.#callOf(request);
      const result = await perform(this.#serving.verbs, call);
      if ('list' in result) return this.#listOf(call, result.list);
      if ('removed' in result) return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
      const { entry, object } = result.answer;
      return entry === undefined ? object : fromStored(call.served, entry.object);
    } catch (error) {
      throw toStatus(this.#serving, error);
    }
  }

  /**
   * Calls `onEvents` with what there is (or what was missed), then with every batch as it becomes durable, until closed;
   * `onEnd` when the server ends it.
   */
  async watch(request: LocalRequest, onEvents: (events: WatchEvent[]) => void, onEnd: () => void): Promise<LocalWatch> {
    try {
      const call = this.#callOf({ ...request, verb: 'watch' });
      const early: WatchEvent[] = [];
      let live = false;
      const asEvents = (seen: readonly Seen[]) => seen.map((one) => eventOf(call, one));
      const opened = await watch(this.#serving.verbs.registry, call, {
        onEvents: (seen) => (live ? onEvents(asEvents(seen)) : void early.push(...asEvents(seen))),
        onEnd,
      });
      const initial = asEvents(opened.initial);
      if (opened.initialEventsEnd) initial.push(bookmarkOf(call, opened.revision(), true));
      initial.push(...early);
      live = true;
      if (initial.length > 0) onEvents(initial);
      return { close: opened.close };
    } catch (error) {
      throw toStatus(this.#serving, error);
    }
  }

  #callOf(request: LocalRequest): ResourceCall {
    const { resource, namespace = '', name = '', subresource = '' } = request;
    const info: RequestInfo = {
      path: '',
      verb: request.verb as RequestVerb,
      isResource: true,
      group: resource.group,
      version: resource.version,
      resource: resource.resource,
      subresource,
      namespace: resource.resource === 'namespaces' && resource.group === '' ? name : namespace,
      name,
      rest: '',
      fieldSelector: (request.options as RequestOptions | undefined)?.fieldSelector,
    };
    require(this.#serving.chain, this.#user, info);
    return callOf(this.#serving.verbs.registry.resources, {
      info,
      user: this.#user,
      options: request.options as RequestOptions,
      body: request.body,
      patchType: request.patchType,
      userAgent: this.#userAgent,
      signal: request.signal,
      warn: () => {},
    });
  }

  #listOf(call: ResourceCall, list: Parameters<typeof listMeta>[0]): AnyObject {
    const { kind } = call.served;
    const items = list.entries.map((entry) => fromStored(call.served, entry.object));
    return {
      kind: listKindOf(kind),
      apiVersion: apiVersionOf(kind),
      metadata: listMeta(list),
      items,
    } as unknown as AnyObject;
  }
}
