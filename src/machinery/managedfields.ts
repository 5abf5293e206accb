/** Who owns which field after a create, an update or a patch. For server-side apply see `apply.ts`. */
import { compareFields, type FieldComparison } from './fieldcompare.ts';
import { differenceFields, excludeFields, isEmptyFields, unionFields } from './fieldset.ts';
import { capUpdateManagers, type Manager, readManagers, sameManager, writeManagers } from './managers.ts';
import { mergePlanOf } from './mergeplan.ts';
import type { FieldsV1, KubeObject, ManagedFieldsEntry } from './meta.ts';
import type { Schema } from './schema.ts';
import { zeroOf } from './zerovalue.ts';

export interface ManagedUpdate {
  /** What is stored now; undefined on create. */
  live: KubeObject | undefined;
  /** What is to be stored: complete, with defaults. Its `metadata.managedFields` is replaced; nothing else is changed. */
  updated: KubeObject;
  /**
   * Who owned what before. Absent: what `updated` carries, unless it is broken, empty or absent (then `live`'s), or the
   * explicit empty list that resets ownership. Give `live`'s on subresources, whose writers may not change it.
   */
  managers?: readonly ManagedFieldsEntry[];
  /** Who writes; '' becomes `unknown`. */
  manager: string;
  operation?: 'Update';
  apiVersion: string;
  /** RFC 3339, whole seconds. */
  time: string;
  /** '' or absent: the object itself. */
  subresource?: string;
  schema: Schema;
  /** Fields that this endpoint takes from nobody, such as `{'f:status': {}}` on the object itself: nobody comes to own them here. */
  resetFields?: FieldsV1;
}

/**
 * Sets `updated.metadata.managedFields`: the writer owns what changed, others no longer own that nor what is gone, and who owns
 * nothing is left out. An entry's time is the last time that it took a field, so a write that changes no owned field leaves
 * the entries exactly as they were. An object without owners that was not just created stays without: its owners are not
 * known until somebody applies.
 */
export function updateManagedFields(update: ManagedUpdate): ManagedFieldsEntry[] | undefined {
  const { live, updated, time } = update;
  const managers = managersBefore(update);
  const { metadata } = updated;
  if (managers.length === 0 && live?.metadata.uid) {
    delete metadata.managedFields;
    return undefined;
  }
  const { schema, apiVersion, manager, subresource = '', resetFields } = update;
  const comparison = compareFields(mergePlanOf(schema), (live ?? zeroOf(schema)) as any, updated as any);
  const entries = writeManagers(
    afterUpdate(managers, withoutFields(comparison, resetFields), {
      manager: manager === '' ? 'unknown' : manager,
      operation: 'Update',
      apiVersion,
      subresource,
      time,
    }),
  );
  if (entries === undefined) delete metadata.managedFields;
  else metadata.managedFields = entries;
  return entries;
}

function managersBefore({ live, updated, managers }: ManagedUpdate): Manager[] {
  const liveManagers = () => readManagers(live?.metadata.managedFields) ?? [];
  const given = managers ?? updated.metadata.managedFields;
  if (given !== undefined && given !== null && isReset(given)) return [];
  const read = readManagers(given);
  return read === undefined || read.length === 0 ? liveManagers() : read;
}

/** Clients reset ownership with `[]`, or with one empty entry where an empty list cannot be sent. */
function isReset(entries: readonly ManagedFieldsEntry[]): boolean {
  return entries.length === 0 || (entries.length === 1 && Object.keys(entries[0]!).length === 0);
}

export function withoutFields(comparison: FieldComparison, fields: FieldsV1 | undefined): FieldComparison {
  if (fields === undefined) return comparison;
  return { changed: excludeFields(comparison.changed, fields), removed: excludeFields(comparison.removed, fields) };
}

/** Managers after `self` made these changes. */
export function afterUpdate(
  managers: readonly Manager[],
  { changed, removed }: FieldComparison,
  self: Omit<Manager, 'fields'>,
): readonly Manager[] {
  const takes = !isEmptyFields(changed);
  const result: Manager[] = [];
  let own: FieldsV1 = changed;
  for (const entry of managers) {
    if (takes && sameManager(entry, self)) own = unionFields(differenceFields(entry.fields, removed), changed);
    else keep(result, entry, differenceFields(differenceFields(entry.fields, changed), removed));
  }
  if (takes) result.push({ ...self, fields: own });
  return capUpdateManagers(result);
}

export function keep(result: Manager[], entry: Manager, fields: FieldsV1): void {
  if (!isEmptyFields(fields)) result.push(fields === entry.fields ? entry : { ...entry, fields });
}
