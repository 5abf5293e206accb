/** What the server knows of a kind. A built-in kind and a custom resource are both one of these. */
import type { AnyObject, GroupVersionKind, Resource, Schema, StatusCause } from '../machinery/index.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export interface Subresource {
  /** What travels on it: `Scale` of autoscaling/v1, `Eviction` of policy/v1, or the kind itself for `status`. */
  readonly kind: GroupVersionKind;
  readonly verbs: readonly Verb[];
}

/** What is said of a custom resource only. */
export interface CustomFacts {
  /** The definition's own schema, as it is published; undefined when it has none. */
  readonly props: unknown;
  /** Simple paths such as `.spec.replicas`, of what its Scale shows. */
  readonly scale?: { readonly spec: string; readonly status: string; readonly selector?: string };
  /** Told to everybody who uses this version. */
  readonly warning?: string;
  /** Tells this revision of the definition from others: what was read with it need not be read again. */
  readonly revision: string;
}

/** A column of `kubectl get`. `priority` 0 is always shown, others with `-o wide`. */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  /** The cell. `now` in milliseconds since the epoch, for ages. */
  value(object: T, now: number): string | number | boolean | null;
}

export interface Kind<T extends AnyObject = any> extends Resource<T> {
  readonly singular: string;
  /** What a list of them is; absent: the kind and `List`. */
  readonly listKind?: string;
  /** Absent: a built-in kind. */
  readonly custom?: CustomFacts;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  /** By name: `status`, `scale`, `log`, … Has no prototype: callers name what they look for. */
  readonly subresources: Readonly<Record<string, Subresource>>;
  readonly schema: Schema;
  /** What a name must be; see `validateName`. */
  readonly nameRule: 'subdomain' | 'label' | 'label1035' | 'path';
  /** Whether a change outside `metadata` and `status` raises `metadata.generation`. */
  readonly countsGenerations: boolean;
  /** Fields that field selectors can name besides `metadata.name` and `metadata.namespace`. */
  readonly selectableFields: Readonly<Record<string, (object: T) => string>>;
  /** Fills what is absent, in place. Must be idempotent. */
  default?(object: T): void;
  /** Drops or sets what a writer may not choose (other than `status`, which the server keeps apart), in place. */
  prepare?(object: T, old: T | undefined, subresource?: string): void;
  /** When it is asked to go for the first time: what must happen before it does, in place. Its `deletionTimestamp` is set. */
  prepareDelete?(object: T): void;
  /**
   * Rules beyond the schema. `old` on update. `subresource` is the one that is written through (`''`: the object itself); absent,
   * what any of them may change passes.
   */
  validate?(object: T, old: T | undefined, subresource?: string): StatusCause[];
  readonly columns: readonly Column<T>[];
}
