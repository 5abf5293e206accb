/** Rules for what steers a Pod to a node: tolerations, affinity, spreading. */
import { cause, labelValueProblems, qualifiedNameProblems, type StatusCause } from '../../../machinery/index.ts';
import type { Affinity, NodeSelectorTerm, PodAffinityTerm, PodSpec, Toleration } from '../../gen/types.ts';
import { each, named, oneOf, positive, required, validateSelector, within } from '../../rules.ts';

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTolerations(tolerations: readonly Toleration[] | undefined, field: string): StatusCause[] {
  return each(field, tolerations, ({ key, operator, value, effect, tolerationSeconds }, at) => {
    const causes = key ? named(`${at}.key`, key, qualifiedNameProblems) : [];
    if (!key && operator !== 'Exists')
      causes.push(
        cause.invalid(
          `${at}.operator`,
          operator ?? '',
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      causes.push(
        cause.invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    if (!operator || operator === 'Equal') {
      const problems = labelValueProblems(value ?? '');
      if (problems.length > 0) causes.push(cause.invalid(`${at}.operator`, value, problems.join(';')));
    } else if (operator === 'Exists') {
      if (value) causes.push(cause.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    } else causes.push(...oneOf(`${at}.operator`, operator, ['Equal', 'Exists']));
    return [...causes, ...oneOf(`${at}.effect`, effect, taintEffects, true)];
  });
}

const nodeOperators = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'];

/** One term of a node selector, wherever there is one. */
export function validateNodeSelectorTerm(term: NodeSelectorTerm, field: string): StatusCause[] {
  const expressions = each(`${field}.matchExpressions`, term.matchExpressions, ({ key, operator, values = [] }, at) => {
    const causes: StatusCause[] = [];
    if (!nodeOperators.includes(operator))
      causes.push(cause.invalid(`${at}.operator`, operator, 'not a valid selector operator'));
    else if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        causes.push(cause.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        causes.push(
          cause.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
    } else if (values.length !== 1)
      causes.push(cause.required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
    return [...causes, ...named(`${at}.key`, key, qualifiedNameProblems)];
  });
  const fields = each(`${field}.matchFields`, term.matchFields, ({ key, operator, values = [] }, at) => {
    const causes = oneOf(`${at}.operator`, operator, ['In', 'NotIn']);
    if (values.length !== 1)
      causes.push(
        cause.required(
          `${at}.values`,
          "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
      );
    if (key !== 'metadata.name') causes.push(cause.invalid(`${at}.key`, key, 'not a valid field selector key'));
    return causes;
  });
  return [...expressions, ...fields];
}

function validatePodTerm(term: PodAffinityTerm, at: string): StatusCause[] {
  return [
    ...validateSelector(term.labelSelector, `${at}.labelSelector`),
    ...validateSelector(term.namespaceSelector, `${at}.namespaceSelector`),
    ...(term.topologyKey
      ? named(`${at}.topologyKey`, term.topologyKey, qualifiedNameProblems)
      : [cause.required(`${at}.topologyKey`, 'can not be empty')]),
  ];
}

export function validateAffinity(affinity: Affinity | undefined, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const must = 'requiredDuringSchedulingIgnoredDuringExecution';
  const should = 'preferredDuringSchedulingIgnoredDuringExecution';
  if (nodeAffinity) {
    const terms = nodeAffinity[must]?.nodeSelectorTerms;
    const at = `${field}.nodeAffinity.${must}.nodeSelectorTerms`;
    if (nodeAffinity[must] && (terms?.length ?? 0) === 0)
      causes.push(cause.required(at, 'must have at least one node selector term'));
    causes.push(...each(at, terms, validateNodeSelectorTerm));
    causes.push(
      ...each(`${field}.nodeAffinity.${should}`, nodeAffinity[should], ({ weight, preference }, path) => [
        ...within(`${path}.weight`, weight, 1, 100),
        ...validateNodeSelectorTerm(preference ?? {}, `${path}.preference`),
      ]),
    );
  }
  for (const [name, part] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    causes.push(...each(`${field}.${name}.${must}`, part?.[must], validatePodTerm));
    causes.push(
      ...each(`${field}.${name}.${should}`, part?.[should], ({ weight, podAffinityTerm }, path) => [
        ...within(`${path}.weight`, weight, 1, 100),
        ...validatePodTerm(podAffinityTerm, `${path}.podAffinityTerm`),
      ]),
    );
  }
  return causes;
}

export function validateSpread(constraints: PodSpec['topologySpreadConstraints'], field: string): StatusCause[] {
  const seen = new Set<string>();
  return each(field, constraints, (constraint, at) => {
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    const causes = positive(`${at}.maxSkew`, maxSkew ?? 0);
    causes.push(...required(`${at}.topologyKey`, topologyKey, 'can not be empty'));
    causes.push(...oneOf(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']));
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) causes.push(cause.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    causes.push(...positive(`${at}.minDomains`, minDomains));
    if (minDomains !== undefined && whenUnsatisfiable !== 'DoNotSchedule')
      causes.push(
        cause.invalid(
          `${at}.minDomains`,
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        ),
      );
    for (const name of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const)
      causes.push(...oneOf(`${at}.${name}`, constraint[name], ['Honor', 'Ignore'], true));
    return [...causes, ...validateSelector(constraint.labelSelector, `${at}.labelSelector`)];
  });
}
