/**
 * The server called as a function, by parts of the same process: the same checks and the same semantics as over HTTPS, without
 * sockets and without writing objects down to read them again. What comes back is shared with the caches: it is not to be changed.
 */
import { type AnyObject, apiVersionOf, type Resource, type WatchEvent } from '../machinery/index.ts';
import type { Trail } from './audit/index.ts';
import { require } from './chain.ts';
import { plain } from './metrics.ts';
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
import { callOf, perform, type Result } from './verbs.ts';

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
    const info = this.#infoOf(request);
    const trail = this.#begin(info, request);
    const started = this.#serving.clock.monotonic();
    try {
      const waited = this.#require(info, trail);
      if (waited !== undefined) await waited;
      const call = this.#callOf(request, info, trail);
      const result = await perform(this.#serving.verbs, call);
      const answer = this.#answerOf(call, result);
      const code = 'answer' in result ? result.answer.code : 200;
      this.#count(info, request, code, started);
      trail?.stage('ResponseComplete', { code, object: answer });
      return answer;
    } catch (error) {
      const told = toStatus(this.#serving, error);
      this.#count(info, request, told.code, started);
      trail?.stage('ResponseComplete', { code: told.code, object: told.toStatus() });
      throw told;
    }
  }

  /**
   * Calls `onEvents` with what there is (or what was missed), then with every batch as it becomes durable, until closed;
   * `onEnd` when the server ends it.
   */
  async watch(request: LocalRequest, onEvents: (events: WatchEvent[]) => void, onEnd: () => void): Promise<LocalWatch> {
    const info = this.#infoOf({ ...request, verb: 'watch' });
    const trail = this.#begin(info, request);
    const { registry } = this.#serving.verbs;
    try {
      const waited = this.#require(info, trail);
      if (waited !== undefined) await waited;
      const call = this.#callOf(request, info, trail);
      const early: WatchEvent[] = [];
      let live = false;
      let isOver = false;
      const over = () => {
        if (!isOver) trail?.stage('ResponseComplete', { code: 200 });
        isOver = true;
      };
      const asEvents = (seen: readonly Seen[]) => seen.map((one) => eventOf(call, one));
      const opened = await watch(registry, call, {
        onEvents: (seen) => (live ? onEvents(asEvents(seen)) : void early.push(...asEvents(seen))),
        onEnd: () => {
          over();
          onEnd();
        },
      });
      trail?.stage('ResponseStarted', { code: 200 });
      const initial = asEvents(opened.initial);
      if (opened.initialEventsEnd) initial.push(bookmarkOf(call, opened.revision(), true));
      initial.push(...early);
      live = true;
      if (initial.length > 0) onEvents(initial);
      return {
        close() {
          over();
          opened.close();
        },
      };
    } catch (error) {
      const told = toStatus(this.#serving, error);
      trail?.stage('ResponseComplete', { code: told.code, object: told.toStatus() });
      throw told;
    }
  }

  #count(info: RequestInfo, { options, patchType }: LocalRequest, code: number, started: number): void {
    const { metrics, clock } = this.#serving;
    const apply = patchType === 'apply';
    const dryRun = (options as RequestOptions | undefined)?.dryRun === true;
    const manner = apply || dryRun ? { apply, dryRun } : plain;
    metrics.request(info, manner, code, (clock.monotonic() - started) / 1000, -1);
  }

  #answerOf(call: ResourceCall, result: Result): unknown {
    if ('list' in result) return this.#listOf(call, result.list);
    if ('removed' in result) return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
    const { entry, object } = result.answer;
    return entry === undefined ? object : fromStored(call.served, entry.object);
  }

  /** What is asked within the process is recorded as what comes from outside. */
  #begin(info: RequestInfo, { body }: LocalRequest): Trail | undefined {
    const { audit } = this.#serving;
    if (audit === undefined) return undefined;
    const { group, version, resource, subresource, namespace, name } = info;
    const scope = namespace !== '' && resource !== 'namespaces' ? ['namespaces', namespace] : [];
    const base = group === '' ? ['', 'api', version] : ['', 'apis', group, version];
    const uri = [...base, ...scope, resource, name, subresource]
      .filter((part, at) => at === 0 || part !== '')
      .join('/');
    const trail = audit.begin({ uri, userAgent: this.#userAgent, user: this.#user, info, received: audit.now() });
    // the server changes what it is handed
    if (trail?.wantsRequest && body !== undefined) trail.requestObject(structuredClone(body));
    return trail;
  }

  #infoOf(request: LocalRequest): RequestInfo {
    const { resource, namespace = '', name = '', subresource = '' } = request;
    return {
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
      labelSelector: (request.options as RequestOptions | undefined)?.labelSelector,
    };
  }

  #require(info: RequestInfo, trail: Trail | undefined): Promise<void> | undefined {
    return require(this.#serving.chain, this.#user, info, trail && {
      decided: (allowed, reason) => {
        trail.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
        trail.annotate('authorization.k8s.io/reason', reason);
      },
    });
  }

  #callOf(request: LocalRequest, info: RequestInfo, trail: Trail | undefined): ResourceCall {
    return callOf(this.#serving.verbs.registry.resources, {
      info,
      user: this.#user,
      options: request.options as RequestOptions,
      body: request.body,
      patchType: request.patchType,
      userAgent: this.#userAgent,
      signal: request.signal,
      warn: () => {},
      ...(trail && { annotate: (key: string, value: string) => trail.annotate(key, value) }),
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
