import { cause, equalJson, labelProblems, type StatusCause, subdomainProblems } from '../../../machinery/index.ts';
import { ageColumn, integer, nameColumn, orNone, text } from '../../columns.ts';
import type {
  FlowcontrolSubject,
  FlowSchema,
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
} from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, named } from '../../rules.ts';
import { mandatoryFlowSchemas } from './builtin.ts';

const highestPrecedence = 10_000;
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

export const flowSchema: Override<FlowSchema> = {
  countsGenerations: true,
  default({ spec }) {
    if (spec) spec.matchingPrecedence ||= 1000;
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate({ metadata, spec, status }) {
    const fixed = Object.hasOwn(mandatoryFlowSchemas, metadata.name ?? '') && mandatoryFlowSchemas[metadata.name!];
    return [
      ...validateSpec(metadata.name ?? '', spec),
      ...(fixed && !equalJson(spec, fixed)
        ? [cause.invalid('spec', spec, `spec of '${metadata.name}' must equal the fixed value`)]
        : []),
      ...validateConditions(status?.conditions),
    ];
  },
  columns: [
    nameColumn,
    text('PriorityLevel', ({ spec }: FlowSchema) => spec.priorityLevelConfiguration?.name ?? ''),
    integer('MatchingPrecedence', ({ spec }: FlowSchema) => spec.matchingPrecedence),
    text('DistinguisherMethod', ({ spec }: FlowSchema) => orNone(spec.distinguisherMethod?.type)),
    ageColumn,
    text(
      'MissingPL',
      ({ status }: FlowSchema) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
};

function validateSpec(name: string, spec: FlowSchemaSpec): StatusCause[] {
  const precedence = spec.matchingPrecedence ?? 0;
  const invalid = (detail: string) => cause.invalid('spec.matchingPrecedence', precedence, detail);
  const method = spec.distinguisherMethod;
  const level = spec.priorityLevelConfiguration?.name;
  return [
    ...(precedence <= 0 ? [invalid('must be a positive value')] : []),
    ...(precedence > highestPrecedence ? [invalid(`must not be greater than ${highestPrecedence}`)] : []),
    ...(precedence === 1 && name !== 'exempt'
      ? [invalid("only the schema named 'exempt' may have matchingPrecedence 1")]
      : []),
    ...(method && method.type !== 'ByNamespace' && method.type !== 'ByUser'
      ? [cause.notSupported('spec.distinguisherMethod.type', method.type, ['ByNamespace', 'ByUser'])]
      : []),
    ...(level
      ? named('spec.priorityLevelConfiguration.name', level, subdomainProblems)
      : [cause.required('spec.priorityLevelConfiguration.name', 'must reference a priority level')]),
    ...each('spec.rules', spec.rules, validateRule),
  ];
}

function validateRule(rule: PolicyRulesWithSubjects, field: string): StatusCause[] {
  const { subjects, resourceRules = [], nonResourceRules = [] } = rule;
  return [
    ...(subjects?.length > 0
      ? each(`${field}.subjects`, subjects, validateSubject)
      : [cause.required(`${field}.subjects`, 'subjects must contain at least one value')]),
    ...(resourceRules.length === 0 && nonResourceRules.length === 0
      ? [cause.required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty')]
      : []),
    ...each(`${field}.resourceRules`, resourceRules, validateResourceRule),
    ...each(`${field}.nonResourceRules`, nonResourceRules, validatePathRule),
  ];
}

const subjectKinds = { Group: 'group', ServiceAccount: 'serviceAccount', User: 'user' } as const;

function validateSubject(subject: FlowcontrolSubject, field: string): StatusCause[] {
  if (!Object.hasOwn(subjectKinds, subject.kind))
    return [cause.notSupported(`${field}.kind`, subject.kind, Object.keys(subjectKinds))];
  const own = subjectKinds[subject.kind as keyof typeof subjectKinds];
  const others = Object.entries(subjectKinds).filter(([, other]) => other !== own && subject[other]);
  const value = subject[own];
  return [
    ...(value
      ? validateSubjectName(subject, `${field}.${own}`)
      : [cause.required(`${field}.${own}`, `${own} is required when subject kind is '${subject.kind}'`)]),
    ...others.map(([kind, other]) =>
      cause.forbidden(`${field}.${other}`, `${other} is forbidden when subject kind is not '${kind}'`),
    ),
  ];
}

function validateSubjectName({ kind, serviceAccount, user, group }: FlowcontrolSubject, field: string): StatusCause[] {
  if (kind !== 'ServiceAccount') return (user ?? group)?.name ? [] : [cause.required(`${field}.name`)];
  const { name, namespace } = serviceAccount!;
  return [
    ...(name === '*' ? [] : named(`${field}.name`, name, subdomainProblems)),
    ...(namespace
      ? named(`${field}.namespace`, namespace, labelProblems)
      : [cause.required(`${field}.namespace`, 'must specify namespace for service account')]),
  ];
}

/** A list that is not empty, and of which `*` is the one member, if it is one. */
function orAll(field: string, values: string[] | undefined, empty: string, others: string): StatusCause[] {
  if (!values || values.length === 0) return [cause.required(field, empty)];
  return values.length > 1 && values.includes('*')
    ? [cause.invalid(field, values, `if '*' is present, must not specify other ${others}`)]
    : [];
}

function validateVerbs(field: string, values: string[] | undefined): StatusCause[] {
  const causes = orAll(field, values, 'verbs must contain at least one value', 'verbs');
  if (causes.length > 0 || values!.includes('*') || values!.every((verb) => verbs.includes(verb))) return causes;
  return [cause.notSupported(field, values, verbs)];
}

function validateResourceRule(rule: ResourcePolicyRule, field: string): StatusCause[] {
  const { namespaces = [] } = rule;
  const supply = (what: string) => `resource rules must supply at least one ${what}`;
  return [
    ...validateVerbs(`${field}.verbs`, rule.verbs),
    ...orAll(`${field}.apiGroups`, rule.apiGroups, supply('api group'), 'api groups'),
    ...orAll(`${field}.resources`, rule.resources, supply('resource'), 'resources'),
    ...(namespaces.length === 0 && rule.clusterScope
      ? []
      : orAll(
          `${field}.namespaces`,
          namespaces,
          'resource rules that are not cluster scoped must supply at least one namespace',
          'namespaces',
        )),
    ...(namespaces.includes('*')
      ? []
      : each(`${field}.namespaces`, namespaces, (namespace, at) =>
          labelProblems(namespace).map((problem) =>
            cause.invalid(at, namespace, `each member of this list must be '*' or a DNS-1123 label; ${problem}`),
          ),
        )),
  ];
}

function validatePathRule(rule: NonResourcePolicyRule, field: string): StatusCause[] {
  const urls = rule.nonResourceURLs;
  return [
    ...validateVerbs(`${field}.verbs`, rule.verbs),
    ...orAll(`${field}.nonResourceURLs`, urls, 'nonResourceURLs must contain at least one value', 'non-resource URLs'),
    ...(urls?.includes('*') ? [] : each(`${field}.nonResourceURLs`, urls, validatePath)),
  ];
}

function validatePath(path: string, field: string): StatusCause[] {
  const problem = problemOfPath(path);
  return problem === undefined ? [] : [cause.invalid(field, path, problem)];
}

function problemOfPath(path: string): string | undefined {
  if (path === '') return 'must not be empty';
  if (!path.startsWith('/')) return 'must start with slash';
  if (path.includes(' ')) return 'must not contain white-space';
  if (path.includes('//')) return 'must not contain double slash';
  const star = path.indexOf('*');
  return star >= 0 && (star < path.length - 1 || !path.endsWith('/*'))
    ? 'wildcard can only do suffix matching'
    : undefined;
}

/** Each with a type, and no type twice. */
export function validateConditions(conditions: readonly { type?: string }[] | undefined): StatusCause[] {
  const types = conditions?.map(({ type = '' }) => type) ?? [];
  return types.flatMap((type, i) => {
    const field = `status.conditions[${i}].type`;
    if (type === '') return [cause.required(field)];
    return types.indexOf(type) < i ? [cause.duplicate(field, type)] : [];
  });
}
