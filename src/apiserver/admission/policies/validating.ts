/** Rules that the cluster's owner writes in CEL: a request that breaks one is refused, warned of or recorded, as the binding says. */
import { matchConditionsBudget, nullType, requestBudget, stringType } from '../../../machinery/cel/index.ts';
import { type AnyObject, StatusError, statusCodes, type StatusReason } from '../../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import {
  bindingsOf,
  boolType,
  type Budget,
  compiledOf,
  conditionsHold,
  evaluate,
  ExpressionError,
  isExempt,
  matches,
  type Versioned,
  versionedAs,
  withVariables,
  settled,
} from '../dynamic/index.ts';
import { forbidden } from '../lookup.ts';
import { type Binding, type BoundPolicy, BoundPolicies, namespaceObject, paramsOf, type Policy } from './bound.ts';
import { compiledPolicy } from './compiled.ts';
import type { AdmissionCounts } from '../counts.ts';

const longestAnnotation = 10 * 1024;
const longestMessage = 5 * 1024;

interface Failure {
  readonly policy: Policy;
  readonly binding: Binding | undefined;
  readonly message: string;
  readonly reason: string;
  /** Which validation of the policy. */
  readonly index: number;
  /** Absent: it was evaluated, and does not hold. */
  readonly error?: ExpressionError;
  readonly seconds: number;
}

export function validatingPolicies(counts: AdmissionCounts): AdmissionStep {
  const bound = new BoundPolicies('validating');
  return {
    name: 'ValidatingAdmissionPolicy',
    operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
    validate(request) {
      const list = bound.of(request.registry);
      if (list instanceof Promise)
        return list.then((filled) => (isExempt(request) ? undefined : applyAll(request, filled, counts)));
      if (list.length > 0 && !isExempt(request)) return applyAll(request, list, counts);
    },
  };
}

async function applyAll(
  request: AdmissionRequest,
  list: readonly BoundPolicy[],
  counts: AdmissionCounts,
): Promise<void> {
  const denied: Failure[] = [];
  for (const one of list) denied.push(...(await applyOne(request, one, counts)));
  if (denied.length > 0) throw refusal(request, denied[0]!);
}

function refusal(request: AdmissionRequest, { policy, binding, message, reason }: Failure): StatusError {
  const by = binding === undefined ? '' : ` with binding '${binding.metadata.name}'`;
  const why = `ValidatingAdmissionPolicy '${policy.metadata.name}'${by} denied request: ${message}`;
  const worded = forbidden(request, why);
  const known = (reason || 'Invalid') as StatusReason;
  const code = ['Unauthorized', 'Forbidden', 'RequestEntityTooLarge'].includes(known) ? statusCodes[known] : 422;
  return new StatusError(known, worded.message, { ...worded.details, causes: [{ message: why }] }, { code });
}

/** What of a policy's bindings refuses the request. */
async function applyOne(
  request: AdmissionRequest,
  { policy, criteria, bindings }: BoundPolicy,
  counts: AdmissionCounts,
): Promise<Failure[]> {
  const denied: Failure[] = [];
  const misconfigured = (error: unknown, binding?: Binding): void => {
    const message = `failed to configure ${binding === undefined ? 'policy' : 'binding'}: ${(error as Error).message}`;
    if (policy.spec.failurePolicy !== 'Ignore')
      denied.push({ policy, binding, message, reason: '', index: 0, seconds: 0 });
  };
  const annotations = new Map<string, Set<string>>();
  try {
    const served = await matches(request, criteria);
    if (served === undefined) return denied;
    for (const { binding, criteria: narrower } of bindings) {
      try {
        if (narrower !== undefined && (await matches(request, narrower)) === undefined) continue;
        const params = await paramsOf(request, policy, binding);
        const seen = await versionedAs(served, request);
        const namespace = await namespaceObject(request);
        for (const one of params)
          for (const failure of await settled(() =>
            Array.from(check(request, served, seen, policy, binding, one, namespace, annotations)),
          ))
            if (act(request, failure, counts)) denied.push(failure);
      } catch (error) {
        misconfigured(error, binding);
      }
    }
  } catch (error) {
    misconfigured(error);
  }
  for (const [key, values] of annotations)
    request.call.annotate?.(`${policy.metadata.name}/${key}`, [...values].join(', '));
  return denied;
}

/** Whether it refuses. */
function act({ call }: AdmissionRequest, failure: Failure, counts: AdmissionCounts): boolean {
  const { policy, binding, message, index, seconds } = failure;
  const [policyName, bindingName] = [policy.metadata.name!, binding!.metadata.name!];
  const error = errorTypeOf(failure);
  const count = (action: 'allow' | 'deny' | 'audit' | 'warn') =>
    counts.policy({ policy: policyName, binding: bindingName, error, action, seconds });
  if (failure.error !== undefined && policy.spec.failurePolicy === 'Ignore') {
    count('allow');
    return false;
  }
  const actions: readonly string[] = binding!.spec.validationActions ?? [];
  for (const action of ['Deny', 'Audit', 'Warn'] as const)
    if (actions.includes(action)) count(action.toLowerCase() as 'deny');
  if (actions.includes('Warn'))
    call.warn(
      `Validation failed for ValidatingAdmissionPolicy '${policyName}' with binding '${bindingName}': ${message}`,
    );
  if (actions.includes('Audit'))
    call.annotate?.(
      'validation.policy.admission.k8s.io/validation_failure',
      JSON.stringify([
        { message, policy: policyName, binding: bindingName, expressionIndex: index, validationActions: actions },
      ]),
    );
  return actions.includes('Deny');
}

function errorTypeOf({ error }: Failure) {
  if (error === undefined) return 'no_error';
  if (error.message.startsWith('compilation error')) return 'compile_error';
  return error.message.includes('cost budget') ? 'out_of_budget' : 'invalid_error';
}

type Validation = { expression: string; message?: string; messageExpression?: string; reason?: string };

/** All validations with one set of parameters. */
function* check(
  request: AdmissionRequest,
  served: ServedResource,
  seen: Versioned,
  policy: Policy,
  binding: Binding,
  params: AnyObject | undefined,
  namespace: AnyObject | undefined,
  annotations: Map<string, Set<string>>,
): Generator<Failure> {
  const { conditions, variables, environment } = compiledPolicy(policy);
  const { clock } = request.registry;
  let began = clock.monotonic();
  const failure = (message: string, index = 0, reason = '', error?: ExpressionError): Failure => {
    const seconds = (clock.monotonic() - began) / 1000;
    return { policy, binding, message, index, reason, seconds, ...(error && { error }) };
  };
  const bare = bindingsOf(request, served, seen, { params, namespace });
  const chosen = conditionsHold(conditions, bare, { left: matchConditionsBudget });
  if (chosen.error !== undefined) {
    yield failure(chosen.error, 0, '', new ExpressionError(chosen.error));
    return;
  }
  if (!chosen.matches) return;
  const budget: Budget = { left: requestBudget };
  const bindings = withVariables(bare, variables, budget);
  const { validations = [], auditAnnotations = [] } = policy.spec as {
    validations?: Validation[];
    auditAnnotations?: { key: string; valueExpression: string }[];
  };
  for (const [index, validation] of validations.entries()) {
    began = clock.monotonic();
    try {
      if (evaluate(compiledOf(validation.expression, environment, boolType), bindings, budget) === true) continue;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      yield failure(error.message, index, '', error);
      continue;
    }
    const said = validation.messageExpression
      ? messageOf(() => evaluate(compiledOf(validation.messageExpression!, environment, stringType), bindings, budget))
      : '';
    const message = said || validation.message?.trim() || `failed expression: ${validation.expression.trim()}`;
    yield failure(message, index, validation.reason);
  }
  for (const { key, valueExpression } of auditAnnotations) {
    began = clock.monotonic();
    try {
      const value = evaluate(compiledOf(valueExpression, environment, stringType, nullType), bindings, budget);
      const text = typeof value === 'string' ? value.trim().slice(0, longestAnnotation) : '';
      if (text !== '') annotations.set(key, (annotations.get(key) ?? new Set<string>()).add(text));
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      yield failure(error.message, 0, '', error);
    }
  }
}

/** One line of bearable length; else ''. */
function messageOf(evaluated: () => unknown): string {
  try {
    const text = String(evaluated()).trim();
    return text.length > longestMessage || text.includes('\n') ? '' : text;
  } catch (error) {
    if (error instanceof ExpressionError) return '';
    throw error;
  }
}
