/** The entries of `metadata.managedFields`: reading, ordering, bounding. */
import { fieldsProblem, leaf, sortedFields, unionFields } from './fieldset.ts';
import type { FieldsV1, ManagedFieldsEntry } from './meta.ts';

/** One entry, complete. */
export interface Manager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly fields: FieldsV1;
}

/** Entries of Update operations that an object keeps; older ones are joined. */
export const maxUpdateManagers = 10;
const ancient = 'ancient-changes';

/** Undefined when an entry is broken: then none of them can be trusted. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | null | undefined): Manager[] | undefined {
  const managers: Manager[] = [];
  for (const { manager = '', operation, apiVersion, fieldsType, fieldsV1 = leaf, subresource = '', time } of entries ??
    []) {
    if ((operation !== 'Apply' && operation !== 'Update') || !apiVersion || fieldsType !== 'FieldsV1') return undefined;
    // what is frozen was stored, and checked before it was
    if (!Object.isFrozen(fieldsV1) && fieldsProblem(fieldsV1) !== undefined) return undefined;
    const read: Manager = { manager, operation, apiVersion, subresource, time: time ?? undefined, fields: fieldsV1 };
    const same = managers.findIndex((other) => sameManager(other, read));
    if (same < 0) managers.push(read);
    else managers[same] = read;
  }
  return managers;
}

/** Whether two entries are one: an applier stays the same when it moves to another version. */
export function sameManager(a: Omit<Manager, 'fields' | 'time'>, b: Omit<Manager, 'fields' | 'time'>): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** As they stand in the object: appliers first, then by time. Undefined when there is none. */
export function writeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] | undefined {
  if (managers.length === 0) return undefined;
  const sorted = managers.length === 1 ? managers : managers.toSorted(inOrder);
  return sorted.map(({ manager, operation, apiVersion, subresource, time, fields }) => {
    const entry: ManagedFieldsEntry = { manager, operation, apiVersion };
    if (time !== undefined) entry.time = time;
    entry.fieldsType = 'FieldsV1';
    entry.fieldsV1 = sortedFields(fields);
    if (subresource !== '') entry.subresource = subresource;
    return entry;
  });
}

function inOrder(a: Manager, b: Manager): number {
  return (
    compare(a.operation, b.operation) ||
    compare(a.time ?? '', b.time ?? '') ||
    compare(a.manager, b.manager) ||
    compare(a.apiVersion, b.apiVersion) ||
    compare(a.subresource, b.subresource)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Joins the oldest Update entries, those of one version together, until no more are left than an object keeps. */
export function capUpdateManagers(managers: readonly Manager[]): readonly Manager[] {
  let left = 0;
  for (const { operation } of managers) if (operation === 'Update') left++;
  if (left <= maxUpdateManagers) return managers;
  const kept = new Set(managers);
  const buckets = new Map<string, Manager>();
  const updaters = managers.filter(({ operation }) => operation === 'Update').toSorted(inOrder);
  for (const updater of updaters) {
    if (left <= maxUpdateManagers) break;
    const first = buckets.get(updater.apiVersion);
    if (first === undefined) {
      buckets.set(updater.apiVersion, updater);
      continue;
    }
    const { apiVersion, time, fields } = updater;
    const joined = {
      manager: ancient,
      operation: 'Update',
      subresource: '',
      apiVersion,
      time,
      fields: unionFields(first.fields, fields),
    } as const;
    kept.delete(first);
    kept.delete(updater);
    kept.add(joined);
    buckets.set(apiVersion, joined);
    left--;
  }
  return [...kept];
}
