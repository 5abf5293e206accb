/** Match conditions: which questions a webhook is asked at all, as CEL over the question (KEP-3221). */
import {
  boolType,
  compile,
  kubernetesEnvironment,
  listType,
  mapType,
  perCallLimit,
  stringType,
  structType,
  type Type,
} from '../../../machinery/cel/index.ts';
import type { ReviewSpec } from './review.ts';

const struct = (name: string, fields: Readonly<Record<string, Type>>): Type => {
  const types = new Map(Object.entries(fields).map(([key, type]) => [key, { type, key }]));
  return structType(`kubernetes.${name}`, { get: (field) => types.get(field), plain: true });
};
const strings = (...names: string[]) => Object.fromEntries(names.map((name) => [name, stringType]));
const requirement = struct('SelectorRequirement', { ...strings('key', 'operator'), values: listType(stringType) });
const selector = (name: string) => struct(name, { rawSelector: stringType, requirements: listType(requirement) });
const resourceStrings = ['namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'] as const;
const fieldSelector = selector('FieldSelectorAttributes');
const labelSelector = selector('LabelSelectorAttributes');
const resourceAttributes = struct('ResourceAttributes', {
  ...strings(...resourceStrings),
  fieldSelector,
  labelSelector,
});
const nonResourceAttributes = struct('NonResourceAttributes', strings('path', 'verb'));
const request = struct('SubjectAccessReviewSpec', {
  ...strings('user', 'uid'),
  groups: listType(stringType),
  extra: mapType(stringType, listType(stringType)),
  resourceAttributes,
  nonResourceAttributes,
});
const environment = kubernetesEnvironment.extend({
  types: [requirement, fieldSelector, labelSelector, resourceAttributes, nonResourceAttributes, request],
  variables: { request },
});

/** @returns whether the question is one for the webhook. @throws Error when that cannot be told */
export type Matches = (spec: ReviewSpec) => boolean;

/** @throws TypeError that says which expression is wrong, and why */
export function conditionsOf(field: string, expressions: readonly string[]): Matches {
  const programs = expressions.map((expression, at) => {
    const { program, ...refusal } = compile(expression.trim(), environment);
    const wrong = (why: string) => new TypeError(`${field}[${at}].expression: ${expression}: ${why}`);
    if (program === undefined) throw wrong(`compilation failed: ${(refusal as { message: string }).message}`);
    if (program.type.kind !== boolType.kind) throw wrong(`must evaluate to bool but got ${program.type}`);
    return { expression, program };
  });
  return (spec) => {
    const bindings = { request: filled(spec) };
    const errors: string[] = [];
    for (const { expression, program } of programs) {
      const { value, error } = program.evaluate(bindings, perCallLimit);
      if (error === undefined && value === false) return false;
      if (error !== undefined)
        errors.push(`cel evaluation error: expression '${expression}' resulted in error: ${error}`);
    }
    if (errors.length > 0) throw new Error(errors.join(', '));
    return true;
  };
}

/** What is empty is there for an expression, too. */
function filled(spec: ReviewSpec): object {
  const { resourceAttributes: resource, user, groups, uid = '', extra = {} } = spec;
  const plain = Object.fromEntries(resourceStrings.map((name) => [name, '']));
  return {
    user,
    groups,
    uid,
    extra,
    ...(resource && { resourceAttributes: { ...plain, ...resource } }),
    ...(spec.nonResourceAttributes && { nonResourceAttributes: spec.nonResourceAttributes }),
  };
}
