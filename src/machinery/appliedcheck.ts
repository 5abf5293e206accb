/** Whether an applied configuration can be understood: what apply itself must know before it merges. */
import { formatFieldPath } from './fieldset.ts';
import { isObject } from './json.ts';
import { itemKey, type MergePlan } from './mergeplan.ts';

const maxProblems = 20;

/** Where the check stands; made into text only when something is wrong. */
interface Path {
  parent: Path | undefined;
  /** `f`: a field of that name; '': an item, named as in FieldsV1. */
  kind: 'f' | '';
  name: string;
}

function shown(path: Path | undefined): string {
  const steps: string[] = [];
  for (let at = path; at !== undefined; at = at.parent) steps.push(at.kind === 'f' ? `f:${at.name}` : at.name);
  return formatFieldPath(steps.toReversed());
}

/** What is wrong, a sentence each, with the path in front. */
export function appliedProblems(plan: MergePlan, applied: unknown): string[] {
  const problems: string[] = [];
  check(plan, applied, undefined, problems);
  return problems;
}

function check(plan: MergePlan, value: unknown, path: Path | undefined, problems: string[]): void {
  if (problems.length >= maxProblems) return;
  if (Array.isArray(value)) {
    if (plan.list === 'atomic') for (const item of value) check(plan.items, item, path, problems);
    else checkItems(plan, value, path, problems);
  } else if (isObject(value)) checkObject(plan, value, path, problems);
}

function checkObject(
  plan: MergePlan,
  object: Record<string, unknown>,
  path: Path | undefined,
  problems: string[],
): void {
  for (const name of Object.keys(object)) {
    const field = plan.named.get(name);
    const here: Path = { parent: path, kind: 'f', name };
    if (field === undefined && !plan.open) problems.push(`${shown(here)}: field not declared in schema`);
    else check(field?.plan ?? plan.values, object[name], here, problems);
  }
}

function checkItems(plan: MergePlan, items: readonly unknown[], path: Path | undefined, problems: string[]): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = itemKey(plan, item);
    if (key === undefined) problems.push(`${shown(path)}: element ${index}: ${unnamed(plan, item)}`);
    else if (seen.has(key)) problems.push(`${shown(path)}: duplicate entries for key ${formatFieldPath([key])}`);
    else {
      seen.add(key);
      check(plan.items, item, { parent: path, kind: '', name: key }, problems);
    }
  }
}

function unnamed(plan: MergePlan, item: unknown): string {
  if (plan.list === 'set')
    return item === null
      ? "associative list without keys has an element that's an explicit null"
      : `associative list without keys has an element that's ${Array.isArray(item) ? 'a list' : 'a map'} type`;
  if (item === null) return 'associative list with keys may not have a null element';
  if (!isObject(item)) return 'associative list with keys may not have non-map elements';
  return `associative list with keys has an element that omits all key fields ${JSON.stringify(plan.keys)} (and doesn't have default values for any key fields)`;
}
