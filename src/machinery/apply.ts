/** Server-side apply: joins what a manager wants into the live object, field by field, and keeps track of who owns what. */
import { appliedProblems } from './appliedcheck.ts';
import { compareFields, unownedFields } from './fieldcompare.ts';
import { fieldsOf, withNamedFields } from './fieldsof.ts';
import {
  containsFields,
  differenceFields,
  equalFields,
  excludeFields,
  type FieldStep,
  formatFieldPath,
  hasField,
  intersectFields,
  isEmptyFields,
  pathsOf,
  unionFields,
} from './fieldset.ts';
import { mergeFields, removeFields } from './fieldmerge.ts';
import { equalJson } from './json.ts';
import { fieldsLastApplied, lastAppliedManager, withLastApplied } from './lastapplied.ts';
import { afterUpdate, keep } from './managedfields.ts';
import { type Manager, readManagers, sameManager, writeManagers } from './managers.ts';
import { type MergePlan, mergePlanOf } from './mergeplan.ts';
import type { AnyObject, FieldsV1, KubeObject } from './meta.ts';
import type { Schema } from './schema.ts';
import { type StatusCause, StatusError } from './status.ts';
import { zeroOf } from './zerovalue.ts';

export interface Apply {
  /** What is stored now; undefined when it does not exist yet. Not changed. */
  live: AnyObject | undefined;
  /**
   * The configuration as it was sent: not defaulted, no shown zero values, or the manager comes to own what it never said. Not
   * changed.
   */
  applied: AnyObject;
  manager: string;
  /** Takes fields over from others instead of failing. */
  force?: boolean;
  apiVersion: string;
  subresource?: string;
  /** RFC 3339, whole seconds. */
  time: string;
  schema: Schema;
  /** As in `updateManagedFields`. */
  resetFields?: FieldsV1;
}

/**
 * The object to store, before defaulting, with its managed fields. It may share parts with `live` and `applied`. Fields that this
 * manager applied before, no longer does, and nobody else owns are gone from it. When nothing changes but times, it equals `live`.
 * Throws `Conflict` when another manager owns a field that would change, `BadRequest` when the configuration makes no sense.
 */
export function applyPatch(apply: Apply): AnyObject {
  const { applied, apiVersion, manager, time, schema } = apply;
  refuse(apply);
  const plan = mergePlanOf(schema);
  checkApplied(plan, applied);
  const live = apply.live ?? { apiVersion, kind: applied.kind, metadata: {} };
  const { managedFields, ...metadata } = live.metadata;
  const bare: AnyObject = { ...live, metadata };
  const before = readManagers(managedFields) ?? [];
  const managers = before.length === 0 && apply.live !== undefined ? firstManagers(plan, apply, bare) : before;
  const said = fieldsSaid(plan, apply);
  const set = differenceFields(said, unownedFields);
  const self = { manager, operation: 'Apply', apiVersion, subresource: apply.subresource ?? '' } as const;
  const last = managers.find((entry) => sameManager(entry, self));
  const others = managers.filter((entry) => entry !== last);
  // with those that nobody owns: metadata that names the object is not taken out with the last annotation
  const claimed = others.reduce((all, entry) => unionFields(all, entry.fields), said);
  let merged = mergeFields(plan, bare, applied) as AnyObject;
  if (last !== undefined) merged = prune(plan, merged, last.fields, claimed) as AnyObject;
  const after = settle(plan, apply, bare, merged, others);
  const changes = !equalJson(bare, merged);
  if (!isEmptyFields(set)) {
    const same = last !== undefined && equalFields(last.fields, set) && last.apiVersion === apiVersion;
    after.push({ ...self, time: same && !changes ? last.time : time, fields: same ? last.fields : set });
  }
  if (manager === lastAppliedManager) merged = withLastApplied(merged, applied);
  const entries = writeManagers(after);
  return {
    ...merged,
    metadata: entries === undefined ? merged.metadata : { ...merged.metadata, managedFields: entries },
  };
}

function refuse({ applied, apiVersion }: Apply): void {
  if (applied.apiVersion !== undefined && applied.apiVersion !== apiVersion)
    throw StatusError.badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${applied.apiVersion}, expected: ${apiVersion}`,
    );
  if (applied.metadata?.managedFields) throw StatusError.badRequest('metadata.managedFields must be nil');
}

function checkApplied(plan: MergePlan, applied: AnyObject): void {
  const problems = appliedProblems(plan, applied);
  if (problems.length === 0) return;
  const { namespace = '', name = '' } = applied.metadata ?? {};
  const list = problems.length === 1 ? problems[0] : `errors:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
  throw StatusError.badRequest(
    `failed to create typed patch object (${namespace}/${name}; ${applied.apiVersion}, Kind=${applied.kind}): ${list}`,
  );
}

/** An object that nobody was known to own: what it holds belongs to whoever came before. */
function firstManagers(plan: MergePlan, { schema, apiVersion, time }: Apply, live: AnyObject): readonly Manager[] {
  const self = { manager: 'before-first-apply', operation: 'Update', apiVersion, subresource: '', time } as const;
  return afterUpdate([], compareFields(plan, zeroOf(schema), live), self);
}

function fieldsSaid(plan: MergePlan, { applied, resetFields }: Apply): FieldsV1 {
  const set = fieldsOf(plan, applied);
  return resetFields === undefined ? set : excludeFields(set, resetFields);
}

/** Takes out what was owned before and is claimed by nobody now. */
function prune(plan: MergePlan, merged: unknown, last: FieldsV1, claimed: FieldsV1): unknown {
  if (containsFields(claimed, last)) return merged;
  const object = merged as AnyObject;
  const named = (set: FieldsV1) => withNamedFields(plan, set);
  const all = named(fieldsOf(plan, object));
  const fieldsNow = (value: unknown) => named(fieldsOf(plan, value as AnyObject));
  const lastNamed = named(last);
  const pruned = removeFields(plan, object, lastNamed);
  // what was taken out along with an item or a field, but is somebody's, comes back
  const owned = removeFields(plan, object, differenceFields(all, unionFields(fieldsNow(pruned), named(claimed))));
  // and so does what was never this manager's
  return removeFields(plan, object, intersectFields(differenceFields(all, fieldsNow(owned)), lastNamed));
}

/** The other managers after the merge; throws on a conflict that may not be forced. */
function settle(
  plan: MergePlan,
  apply: Apply,
  live: AnyObject,
  merged: AnyObject,
  others: readonly Manager[],
): Manager[] {
  const comparison = compareFields(plan, live, merged);
  const { resetFields } = apply;
  const changed = resetFields === undefined ? comparison.changed : excludeFields(comparison.changed, resetFields);
  const removed = resetFields === undefined ? comparison.removed : excludeFields(comparison.removed, resetFields);
  if (apply.force !== true) refuseConflicts(plan, apply, live, changed, others);
  const after: Manager[] = [];
  for (const entry of others) keep(after, entry, differenceFields(differenceFields(entry.fields, changed), removed));
  return after;
}

interface Conflict {
  with: Manager;
  path: FieldStep[];
}

function refuseConflicts(
  plan: MergePlan,
  apply: Apply,
  live: KubeObject,
  changed: FieldsV1,
  others: readonly Manager[],
): void {
  if (isEmptyFields(changed)) return;
  let conflicts = others.flatMap((entry) =>
    pathsOf(intersectFields(entry.fields, changed)).map((path): Conflict => ({ with: entry, path })),
  );
  if (conflicts.length === 0) return;
  if (apply.manager === lastAppliedManager) {
    const allowed = fieldsLastApplied(plan, live, apply.apiVersion);
    conflicts = conflicts.filter(({ path }) => !hasField(allowed, path));
  }
  if (conflicts.length > 0) throw conflictError(conflicts);
}

function conflictError(conflicts: Conflict[]): StatusError {
  const told = conflicts.map(({ with: entry, path }) => ({ who: describe(entry), field: formatFieldPath(path) }));
  told.sort((a, b) => (a.who < b.who ? -1 : a.who > b.who ? 1 : 0));
  const causes = told.map(
    ({ who, field }): StatusCause => ({ reason: 'FieldManagerConflict', message: `conflict with ${who}`, field }),
  );
  if (told.length === 1)
    return StatusError.applyConflict(
      `Apply failed with 1 conflict: conflict with ${told[0]!.who}: ${told[0]!.field}`,
      causes,
    );
  const lines = told.flatMap(({ who, field }, index) =>
    told[index - 1]?.who === who ? [`- ${field}`] : [`conflicts with ${who}:`, `- ${field}`],
  );
  return StatusError.applyConflict(`Apply failed with ${told.length} conflicts: ${lines.join('\n')}`, causes);
}

function describe({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = `${JSON.stringify(manager)}${subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`}`;
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}
