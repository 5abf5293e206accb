/** What every verb of the registry works with. */
import type { Clock, KubeObject, AnyObject, Random } from '../../machinery/index.ts';
import type { Store } from '../../store/index.ts';
import type { Caches, CacheEntry } from '../cache/index.ts';
import type { Exchange } from '../exchange.ts';
import type { RequestOptions, User } from '../request.ts';
import type { Resources, ServedResource } from '../resources.ts';
import type { Attributes, Deciding, Rules } from '../authz/index.ts';
import type { ServiceAllocator } from './services/index.ts';

export interface Registry {
  readonly store: Store;
  readonly caches: Caches;
  readonly resources: Resources;
  readonly admission: Admission;
  readonly services: ServiceAllocator;
  readonly clock: Clock;
  readonly random: Random;
  /** Nothing that runs in this cluster is real. */
  readonly simulated: boolean;
  authorize(attributes: Attributes): Deciding;
  rulesFor(user: User, namespace: string): Rules;
}

export interface AdmissionRequest {
  readonly registry: Registry;
  readonly call: ResourceCall;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  /** What is about to be stored; changing steps change it in place. Absent on DELETE. */
  readonly object: AnyObject | undefined;
  readonly old: AnyObject | undefined;
}

/** All that change run a second time when one that others do not know of (a webhook, a policy) has changed the object. */
export interface Reinvocation {
  /** Set by a step for those before it. */
  wanted: boolean;
  /** Whether this is the second time. */
  again: boolean;
}

export interface AdmissionStep {
  readonly name: string;
  /** The resources it looks at, as `group/resource` (`/pods` in the core group); absent: all. */
  readonly resources?: readonly string[];
  readonly operations: readonly AdmissionRequest['operation'][];
  /** Changes the object. Must be idempotent: it may run again. */
  admit?(request: AdmissionRequest, round: Reinvocation): void | Promise<void>;
  /** Throws to refuse. */
  validate?(request: AdmissionRequest): void | Promise<void>;
}

export interface Admission {
  admit(request: AdmissionRequest): void | Promise<void>;
  validate(request: AdmissionRequest): void | Promise<void>;
}

/** One request to the registry: authenticated, authorised, its resource found. */
export interface ResourceCall {
  readonly served: ServedResource;
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly options: RequestOptions;
  readonly user: User;
  /** A parsed object, which the registry may keep and change. */
  readonly body?: unknown;
  /** Paths of fields that the body had twice; the last of each is what counts. */
  readonly duplicates?: readonly string[];
  readonly patchType?: PatchType;
  /** Without an explicit fieldManager, managed fields are named by this. */
  readonly userAgent: string;
  readonly signal?: AbortSignal;
  warn(message: string): void;
  /** Adds to what is recorded of the request; absent: nothing is. */
  annotate?(name: string, value: string): void;
  /** Adds to the time that is recorded to have been spent in one place; absent: nothing is. */
  readonly took?: Exchange['took'];
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

/** What a verb answers. Exactly one of `entry` and `object`. */
export interface Answer {
  readonly code: number;
  readonly entry?: CacheEntry;
  readonly object?: KubeObject | AnyObject;
}

export function answerOf(object: AnyObject, code = 200): Answer {
  return { code, object };
}

/** The name that managed fields are kept under. */
export function fieldManagerOf(call: ResourceCall): string {
  if (call.options.fieldManager) return call.options.fieldManager;
  const slash = call.userAgent.indexOf('/');
  return (slash < 0 ? call.userAgent : call.userAgent.slice(0, slash)) || 'unknown';
}
