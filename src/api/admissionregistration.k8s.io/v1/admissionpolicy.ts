import { cause, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, formatSelector, integer, nameColumn, text } from '../../columns.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, oneOf, required } from '../../rules.ts';

interface MatchLike {
  matchPolicy?: string;
  namespaceSelector?: object;
  objectSelector?: object;
  resourceRules?: { scope?: string }[];
  excludeResourceRules?: { scope?: string }[];
}

function defaultMatch(match: MatchLike | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*';
}

const paramKind = ({ spec }: ValidatingAdmissionPolicy | MutatingAdmissionPolicy) =>
  spec.paramKind ? `${spec.paramKind.apiVersion}/${spec.paramKind.kind}` : '<unset>';
const matches = ({ spec }: ValidatingAdmissionPolicy | MutatingAdmissionPolicy): StatusCause[] => [
  ...oneOf('spec.failurePolicy', spec.failurePolicy, ['Fail', 'Ignore'], true),
  ...(spec.matchConstraints?.resourceRules?.length ? [] : [cause.required('spec.matchConstraints.resourceRules')]),
];

export const validatingAdmissionPolicy: Override<ValidatingAdmissionPolicy> = {
  countsGenerations: true,
  default({ spec }) {
    spec.failurePolicy ??= 'Fail';
    defaultMatch(spec.matchConstraints);
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: (object) => [
    ...matches(object),
    ...(object.spec.validations?.length || object.spec.auditAnnotations?.length
      ? []
      : [cause.required('spec.validations', 'validations or auditAnnotations must contain at least one item')]),
    ...each('spec.validations', object.spec.validations, ({ expression }, at) =>
      required(`${at}.expression`, expression?.trim()),
    ),
  ],
  columns: [
    nameColumn,
    integer('Validations', ({ spec }: ValidatingAdmissionPolicy) => spec.validations?.length),
    text('ParamKind', paramKind),
    ageColumn,
  ],
};

export const mutatingAdmissionPolicy: Override<MutatingAdmissionPolicy> = {
  countsGenerations: true,
  default({ spec }) {
    spec.failurePolicy ??= 'Fail';
    defaultMatch(spec.matchConstraints);
  },
  validate: (object) => [
    ...matches(object),
    ...(object.spec.mutations?.length
      ? []
      : [cause.required('spec.mutations', 'mutations must contain at least one item')]),
    ...oneOf('spec.reinvocationPolicy', object.spec.reinvocationPolicy, ['IfNeeded', 'Never']),
  ],
  columns: [
    nameColumn,
    integer('Mutations', ({ spec }: MutatingAdmissionPolicy) => spec.mutations?.length),
    text('ParamKind', paramKind),
    ageColumn,
  ],
};

type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

const bindingColumns = [
  nameColumn,
  text('PolicyName', ({ spec }: Binding) => spec.policyName ?? ''),
  text('ParamRef', ({ spec }: Binding) => {
    const { name, namespace, selector } = spec.paramRef ?? {};
    if (name) return `${namespace || '*'}/${name}`;
    return selector ? formatSelector(selector) : '<unset>';
  }),
  ageColumn,
];

export const validatingAdmissionPolicyBinding: Override<ValidatingAdmissionPolicyBinding> = {
  countsGenerations: true,
  default: ({ spec }) => defaultMatch(spec.matchResources),
  validate: ({ spec }) => [
    ...required('spec.policyName', spec.policyName),
    ...(spec.validationActions?.length
      ? each('spec.validationActions', spec.validationActions, (action, at) =>
          oneOf(at, action, ['Audit', 'Deny', 'Warn']),
        )
      : [cause.required('spec.validationActions', 'at least one validation action is required')]),
  ],
  columns: bindingColumns,
};

export const mutatingAdmissionPolicyBinding: Override<MutatingAdmissionPolicyBinding> = {
  countsGenerations: true,
  default: ({ spec }) => defaultMatch(spec.matchResources),
  validate: ({ spec }) => required('spec.policyName', spec.policyName),
  columns: bindingColumns,
};
