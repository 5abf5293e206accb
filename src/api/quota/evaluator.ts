import type { Amounts } from './amounts.ts';
import type { ScopeRequirement } from './scopes.ts';

/** How the objects of one resource weigh on quotas. */
export interface QuotaEvaluator<T = any> {
  /** Whether a request may change what is used. `object` is absent on DELETE, `old` on CREATE. */
  handles(
    operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT',
    subresource: string,
    object: T,
    old: T | undefined,
  ): boolean;
  /** Which of the names that a quota limits are about this resource. */
  matching(names: readonly string[]): string[];
  /** Whether the object is one that the scope is about. */
  inScope(scope: ScopeRequirement, object: T): boolean;
  /** What the object uses. `now` in milliseconds since the epoch. */
  usage(object: T, now: number): Amounts;
  /** What the object does not say and a quota of these names wants it to say, as a sentence; '' when nothing is missing. */
  missing?(names: readonly string[], object: T): string;
}
