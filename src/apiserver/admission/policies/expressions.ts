/** Expressions that cannot be read are refused when a policy or webhook that holds them is written, not when it is asked. */
import { nullType, stringType, type Type } from '../../../machinery/cel/index.ts';
import { type AnyObject, cause, equalJson, type StatusCause, StatusError } from '../../../machinery/index.ts';
import type { AdmissionStep } from '../../registry/context.ts';
import { boolType, compiledOf, environmentOf, environmentWith } from '../dynamic/index.ts';
import type { Policy } from './bound.ts';
import { mutationProblems } from './mutations.ts';

const group = 'admissionregistration.k8s.io';

export const policyExpressions: AdmissionStep = {
  name: 'PolicyExpressions',
  resources: [
    'mutatingwebhookconfigurations',
    'validatingwebhookconfigurations',
    'mutatingadmissionpolicies',
    'validatingadmissionpolicies',
  ].map((resource) => `${group}/${resource}`),
  operations: ['CREATE', 'UPDATE'],
  validate({ call, object, old }) {
    const ofWebhooks = call.served.kind.kind.endsWith('WebhookConfiguration');
    const causes = ofWebhooks ? webhookCauses(object!) : policyCauses(object as Policy);
    // what was stored once stays, also when the language becomes stricter
    if (
      causes.length === 0 ||
      (old !== undefined && equalJson(old.spec, object!.spec) && equalJson(old.webhooks, object!.webhooks))
    )
      return;
    throw StatusError.invalid(call.served.kind, object!.metadata.name ?? '', causes);
  },
};

function webhookCauses({ webhooks }: AnyObject): StatusCause[] {
  return ((webhooks ?? []) as AnyObject[]).flatMap((webhook, i) =>
    conditionCauses(webhook.matchConditions ?? [], `webhooks[${i}].matchConditions`, false),
  );
}

const mostConditions = 64;

function conditionCauses(
  conditions: readonly { name?: string; expression?: string }[],
  at: string,
  hasParams: boolean,
): StatusCause[] {
  const causes: StatusCause[] = [];
  if (conditions.length > mostConditions) causes.push(cause.tooMany(at, conditions.length, mostConditions));
  const seen = new Set<string>();
  for (const [i, { name, expression }] of conditions.entries()) {
    if (!name) causes.push(cause.required(`${at}[${i}].name`));
    else if (seen.has(name)) causes.push(cause.duplicate(`${at}[${i}].name`, name));
    else seen.add(name);
    causes.push(...expressionCauses(expression, `${at}[${i}].expression`, environmentOf({ hasParams }), boolType));
  }
  return causes;
}

function expressionCauses(
  expression: string | undefined,
  at: string,
  environment: Parameters<typeof compiledOf>[1],
  ...types: Type[]
): StatusCause[] {
  if (!expression?.trim()) return [cause.required(at)];
  const { problem } = compiledOf(expression, environment, ...types);
  return problem === undefined ? [] : [cause.invalid(at, expression, problem)];
}

function policyCauses(policy: Policy): StatusCause[] {
  const {
    matchConditions = [],
    variables = [],
    paramKind,
    validations = [],
    auditAnnotations = [],
  } = policy.spec ?? {};
  const hasParams = paramKind !== undefined;
  const causes = conditionCauses(matchConditions, 'spec.matchConditions', hasParams);
  const { environment, variables: compiled } = environmentWith(environmentOf({ hasParams }), variables);
  for (const [i, { expression }] of compiled.entries())
    if (expression.problem !== undefined)
      causes.push(cause.invalid(`spec.variables[${i}].expression`, expression.source, expression.problem));
  for (const [i, one] of (validations as { expression?: string; messageExpression?: string }[]).entries()) {
    const at = `spec.validations[${i}]`;
    causes.push(...expressionCauses(one.expression, `${at}.expression`, environment, boolType));
    if (one.messageExpression)
      causes.push(...expressionCauses(one.messageExpression, `${at}.messageExpression`, environment, stringType));
  }
  for (const [i, { valueExpression }] of (auditAnnotations as { valueExpression?: string }[]).entries())
    causes.push(
      ...expressionCauses(
        valueExpression,
        `spec.auditAnnotations[${i}].valueExpression`,
        environment,
        stringType,
        nullType,
      ),
    );
  return [...causes, ...mutationProblems(policy, environment)];
}
