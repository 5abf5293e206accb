/** What the server knows of a kind. A built-in kind and a custom resource are both one of these. */
import type { AnyObject, GroupVersionKind, Resource, Schema, StatusCause } from '../machinery/index.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export interface Subresource {
  /** What travels on it: `Scale` of autoscaling/v1, `Eviction` of policy/v1, or the kind itself for `status`. */
  readonly kind: GroupVersionKind;
  readonly verbs: readonly Verb[];
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
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  /** By name: `status`, `scale`, `log`, … */
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
  /**
   * Rules beyond the schema. `old` on update. `subresource` is the one that is written through (`''`: the object itself); absent,
   * what any of them may change passes.
   */
  validate?(object: T, old: T | undefined, subresource?: string): StatusCause[];
  readonly columns: readonly Column<T>[];
}
