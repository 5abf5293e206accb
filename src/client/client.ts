/**
 * Reads and writes of any Kubernetes API. One interface, two transports: `https` to any conformant server, and the
 * apiserver of this process called as a function (no socket, no serialisation).
 *
 * Every method rejects with a `StatusError` for an answer that is not a success. Objects that come back are shared with
 * caches and with other readers in the same process: never change one; copy it first (`cloneJson`).
 */
import type { AnyObject, KubeList, KubeObject, Resource, WatchEvent } from '../machinery/index.ts';

/** Who is meant: `namespace` absent for cluster-scoped resources. */
export interface ObjectRef {
  name: string;
  namespace?: string;
}

export interface ReadOptions {
  signal?: AbortSignal;
  subresource?: string;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  signal?: AbortSignal;
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

export interface WriteOptions {
  subresource?: string;
  dryRun?: boolean;
  fieldManager?: string;
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
  signal?: AbortSignal;
}

export type Patch =
  | { type: 'json'; operations: { op: string; path: string; from?: string; value?: unknown }[] }
  | { type: 'merge'; body: unknown }
  | { type: 'strategic'; body: unknown };

export interface ApplyOptions extends WriteOptions {
  fieldManager: string;
  force?: boolean;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
  signal?: AbortSignal;
}

export interface Client {
  get<T = AnyObject>(resource: Resource<T>, ref: ObjectRef, options?: ReadOptions): Promise<T>;
  list<T = AnyObject>(resource: Resource<T>, options?: ListOptions): Promise<KubeList<T>>;
  /**
   * Events in order, until the server ends the watch, the signal is aborted (both end the iteration quietly) or it fails
   * (it throws; `Expired` means: list again).
   */
  watch<T = AnyObject>(resource: Resource<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** The namespace is the object's own. With `subresource`, `metadata.name` says of which object. */
  create<T extends KubeObject, R = T>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<R>;
  update<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T>(resource: Resource<T>, ref: ObjectRef, patch: Patch, options?: WriteOptions): Promise<T>;
  /** Server-side apply. */
  apply<T extends KubeObject>(resource: Resource<T>, object: T, options: ApplyOptions): Promise<T>;
  /** What the server answers: the object while it is still there (finalizers, grace), else a `Status`. */
  delete<T>(resource: Resource<T>, ref: ObjectRef, options?: DeleteOptions): Promise<T | undefined>;
  deleteCollection(resource: Resource, selection: ListOptions, options?: DeleteOptions): Promise<void>;
}
