/**
 * Sets of field paths, held as the FieldsV1 tree that managed fields carry, so that none is ever converted: a node that is
 * empty, or has `.`, is a member; its other names are its children. The root stands for no path: an empty root is the empty set.
 * Sets are never changed. An operation that changes nothing gives back the very set it was given, so `===` tells.
 */
import type { FieldsV1 } from './meta.ts';

/** A member without children. Shared by all sets. */
export const leaf: FieldsV1 = Object.freeze({});

/** The set without members. */
export const emptyFields: FieldsV1 = leaf;

/** One step of a path as FieldsV1 writes it: `f:spec`, `k:{"name":"web"}`, `v:"x"`, `i:3`. */
export type FieldStep = string;

export function isEmptyFields(set: FieldsV1): boolean {
  for (const _ in set) return false;
  return true;
}

function hasChildren(node: FieldsV1): boolean {
  for (const step in node) if (step !== '.') return true;
  return false;
}

export function isMember(node: FieldsV1): boolean {
  return node['.'] !== undefined || isEmptyFields(node);
}

/** A node that is or is not a member; undefined when there is nothing to it. `children` is kept and given the mark. */
export function nodeOf(member: boolean, children: FieldsV1 | undefined): FieldsV1 | undefined {
  if (children === undefined || isEmptyFields(children)) return member ? leaf : undefined;
  if (member) children['.'] = leaf;
  return children;
}

/**
 * The same set with its names in the order in which Go writes them: clients compare the bytes. It is frozen, so that who meets it again
 * need neither check nor sort it.
 */
export function sortedFields(set: FieldsV1): FieldsV1 {
  return Object.isFrozen(set) ? set : Object.freeze(inOrder(set));
}

function inOrder(set: FieldsV1): FieldsV1 {
  let sorted = isInOrder(set) ? set : undefined;
  for (const step in set) {
    const below = set[step]!;
    if (Object.isFrozen(below)) continue;
    const child = inOrder(below);
    if (child === below) continue;
    if (sorted === set || sorted === undefined) sorted = withStepsInOrder(set);
    sorted[step] = child;
  }
  return sorted ?? withStepsInOrder(set);
}

function isInOrder(set: FieldsV1): boolean {
  let last = '';
  for (const step in set) {
    if (step < last) return false;
    last = step;
  }
  return true;
}

function withStepsInOrder(set: FieldsV1): FieldsV1 {
  const sorted: FieldsV1 = {};
  for (const step of Object.keys(set).toSorted()) sorted[step] = set[step]!;
  return sorted;
}

export function fieldsOfPaths(paths: Iterable<readonly FieldStep[]>): FieldsV1 {
  let set = emptyFields;
  for (const path of paths)
    set = unionFields(
      set,
      path.reduceRight<FieldsV1>((below, step) => ({ [step]: below }), leaf),
    );
  return set;
}

export function hasField(set: FieldsV1, path: readonly FieldStep[]): boolean {
  let node = set;
  for (const step of path) {
    if (step === '.' || !Object.hasOwn(node, step)) return false;
    node = node[step]!;
  }
  return path.length > 0 && isMember(node);
}

/** What is in either. */
export function unionFields(a: FieldsV1, b: FieldsV1): FieldsV1 {
  if (a === b || isEmptyFields(b)) return a;
  if (isEmptyFields(a)) return b;
  let result: FieldsV1 | undefined;
  for (const step in b) {
    if (step === '.') continue;
    const mine = a[step];
    const both = mine === undefined ? b[step]! : unionNodes(mine, b[step]!);
    if (both !== mine) (result ??= { ...a })[step] = both;
  }
  return result ?? a;
}

function unionNodes(a: FieldsV1, b: FieldsV1): FieldsV1 {
  if (a === b) return a;
  const member = isMember(a);
  if (isEmptyFields(b)) return member ? a : { '.': leaf, ...a };
  // an empty node is a member: its mark must not get lost among b's children
  const children = isEmptyFields(a) ? b : unionFields(a, b);
  if (children['.'] !== undefined || !(member || isMember(b))) return children;
  return { '.': leaf, ...children };
}

/** Members of `a` that are not members of `b`. Children stay when their parent goes, and the other way round. */
export function differenceFields(a: FieldsV1, b: FieldsV1): FieldsV1 {
  return without(a, b, (mine, other) => {
    const children = isEmptyFields(mine) ? mine : differenceFields(mine, other);
    if (!isMember(mine)) return isEmptyFields(children) ? undefined : children;
    if (!isMember(other)) return hasChildren(children) ? children : leaf;
    return hasChildren(children) ? unmarked(children) : undefined;
  });
}

/** Members of `a` that are neither members of `b` nor below one. */
export function excludeFields(a: FieldsV1, b: FieldsV1): FieldsV1 {
  return without(a, b, (mine, other) => {
    if (isMember(other)) return undefined;
    if (isEmptyFields(mine)) return mine;
    const children = excludeFields(mine, other);
    if (hasChildren(children)) return children;
    return isMember(mine) ? leaf : undefined;
  });
}

function without(a: FieldsV1, b: FieldsV1, rest: (mine: FieldsV1, other: FieldsV1) => FieldsV1 | undefined): FieldsV1 {
  if (isEmptyFields(b)) return a;
  let result: FieldsV1 | undefined;
  for (const step in a) {
    const mine = a[step]!;
    const other = step === '.' ? undefined : b[step];
    const left = other === undefined ? mine : rest(mine, other);
    if (left !== mine) result ??= before(a, step);
    if (result !== undefined && left !== undefined) result[step] = left;
  }
  return result ?? a;
}

/** The steps of `a` in front of this one. Adding what stays is much cheaper than taking out of a copy what goes. */
function before(a: FieldsV1, end: string): FieldsV1 {
  const result: FieldsV1 = {};
  for (const step in a) {
    if (step === end) break;
    result[step] = a[step]!;
  }
  return result;
}

function unmarked(node: FieldsV1): FieldsV1 {
  if (node['.'] === undefined) return node;
  const { '.': _, ...children } = node;
  return children;
}

/** What is in both. */
export function intersectFields(a: FieldsV1, b: FieldsV1): FieldsV1 {
  const result: FieldsV1 = {};
  let whole = true;
  for (const step in a) {
    if (step === '.') continue;
    const mine = a[step]!;
    const other = b[step];
    const both =
      other === undefined
        ? undefined
        : nodeOf(isMember(mine) && isMember(other), { ...unmarked(intersectFields(mine, other)) });
    if (both !== undefined) result[step] = equalFields(both, mine) ? mine : both;
    if (result[step] !== mine) whole = false;
  }
  return whole ? a : result;
}

/** Whether every member of `part` is one of `set`. */
export function containsFields(set: FieldsV1, part: FieldsV1): boolean {
  if (set === part) return true;
  for (const step in part) {
    if (step === '.') continue;
    const mine = set[step];
    const other = part[step]!;
    if (mine === undefined) {
      // a step that leads to no member says nothing
      if (isMember(other) || !containsFields(leaf, other)) return false;
    } else if ((isMember(other) && !isMember(mine)) || !containsFields(mine, other)) return false;
  }
  return true;
}

export function equalFields(a: FieldsV1, b: FieldsV1): boolean {
  if (a === b) return true;
  if (isMember(a) !== isMember(b)) return false;
  for (const step in a) if (step !== '.' && (b[step] === undefined || !equalFields(a[step]!, b[step]!))) return false;
  for (const step in b) if (step !== '.' && a[step] === undefined) return false;
  return true;
}

/** Members that have no children. */
export function leavesOf(set: FieldsV1): FieldsV1 {
  const result: FieldsV1 = {};
  for (const step in set) if (step !== '.') result[step] = isEmptyFields(set[step]!) ? leaf : leavesOf(set[step]!);
  return result;
}

/** Every member's path, those of one level before those below, each level in order. */
export function pathsOf(set: FieldsV1): FieldStep[][] {
  const paths: FieldStep[][] = [];
  const visit = (node: FieldsV1, prefix: FieldStep[]) => {
    const steps = Object.keys(node)
      .filter((step) => step !== '.')
      .toSorted();
    for (const step of steps) if (isMember(node[step]!)) paths.push([...prefix, step]);
    for (const step of steps) visit(node[step]!, [...prefix, step]);
  };
  visit(set, []);
  return paths;
}

/** As errors show a path: `.spec.containers[name="web"].image`, `.metadata.finalizers[="x"]`. */
export function formatFieldPath(path: readonly FieldStep[]): string {
  return path.map(formatStep).join('');
}

function formatStep(step: FieldStep): string {
  const content = step.slice(2);
  switch (step[0]) {
    case 'f':
      return `.${content}`;
    case 'k':
      return `[${Object.entries(JSON.parse(content))
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    case 'v':
      return `[=${content}]`;
    default:
      return `[${content}]`;
  }
}

/** What is wrong with a FieldsV1 tree that came from outside; undefined when nothing is. */
export function fieldsProblem(set: unknown, depth = 0): string | undefined {
  if (typeof set !== 'object' || set === null || Array.isArray(set)) return 'every value must be an object';
  if (depth > 1000) return 'it is nested too deep';
  for (const step in set) {
    if (step !== '.' && !isStep(step)) return `${JSON.stringify(step)} is not a path element: use f:, k:, v:, i: or .`;
    const problem = fieldsProblem((set as FieldsV1)[step], depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isStep(step: string): boolean {
  if (step.startsWith('f:')) return true;
  if (step.startsWith('i:')) return /^-?[0-9]{1,15}$/.test(step.slice(2));
  if (!step.startsWith('k:') && !step.startsWith('v:')) return false;
  try {
    const value = JSON.parse(step.slice(2));
    return step[0] === 'v' || (typeof value === 'object' && value !== null && !Array.isArray(value));
  } catch {
    return false;
  }
}
