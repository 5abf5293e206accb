/** Conditions of a migration: `Running`, then `Succeeded` or `Failed`, which stay. */
import type { StorageVersionMigration } from '../../api/index.ts';

export function conditionTrue({ status }: StorageVersionMigration, type: string): boolean {
  return status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
}

export function isOver(migration: StorageVersionMigration): boolean {
  return conditionTrue(migration, 'Succeeded') || conditionTrue(migration, 'Failed');
}

interface Change {
  readonly type: string;
  /** Absent: `True`. */
  readonly status?: string;
  readonly reason: string;
  readonly message: string;
  readonly now: string;
}

export function withCondition(
  migration: StorageVersionMigration,
  { type, status = 'True', reason, message, now }: Change,
): StorageVersionMigration {
  const { conditions = [] } = migration.status ?? {};
  const changed = {
    type,
    status,
    lastTransitionTime: now,
    reason,
    message,
    observedGeneration: migration.metadata.generation,
  };
  const before = conditions.some((one) => one.type === type);
  const list = before ? conditions.map((one) => (one.type === type ? changed : one)) : [...conditions, changed];
  return { ...migration, status: { ...migration.status, conditions: list } };
}
