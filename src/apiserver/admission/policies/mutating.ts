/** Changes that the cluster's owner writes in CEL; each policy sees what those before it changed. */
import { matchConditionsBudget, requestBudget } from '../../../machinery/cel/index.ts';
import { type AnyObject, cloneJson, equalJson, StatusError } from '../../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep, Reinvocation } from '../../registry/context.ts';
import { decode } from '../../registry/decode.ts';
import type { ServedResource } from '../../resources.ts';
import {
  bindingsOf,
  type Budget,
  conditionsHold,
  convertTo,
  ExpressionError,
  isExempt,
  matches,
  versionedAs,
  withVariables,
  settled,
} from '../dynamic/index.ts';
import { forbidden, replace } from '../lookup.ts';
import { type Binding, type BoundPolicy, BoundPolicies, namespaceObject, paramsOf, type Policy } from './bound.ts';
import { compiledPolicy } from './compiled.ts';
import { type Mutation, mutate, mutationsOf } from './mutations.ts';

const quiet = { options: { fieldValidation: 'Ignore' as const }, warn: () => {} };

interface Memory {
  readonly reinvocable: Set<string>;
  readonly due: Set<string>;
  last: AnyObject | undefined;
}

export function mutatingPolicies(): AdmissionStep {
  const bound = new BoundPolicies('mutating');
  const memories = new WeakMap<Reinvocation, Memory>();
  const applyAll = async (request: AdmissionRequest, list: readonly BoundPolicy[], round: Reinvocation) => {
    if (request.object === undefined) return;
    const memory = memories.get(round) ?? { reinvocable: new Set<string>(), due: new Set<string>(), last: undefined };
    memories.set(round, memory);
    if (round.again && !equalJson(memory.last, request.object)) makeDue(memory);
    const denied: string[] = [];
    for (const one of list) await applyOne(request, one, round, memory, denied);
    memory.last = cloneJson(request.object);
    if (denied.length > 0) throw refusal(request, denied);
  };
  return {
    name: 'MutatingAdmissionPolicy',
    operations: ['CREATE', 'UPDATE'],
    admit(request, round) {
      const list = bound.of(request.registry);
      if (list instanceof Promise)
        return list.then((filled) => (isExempt(request) ? undefined : applyAll(request, filled, round)));
      if (list.length > 0 && !isExempt(request)) return applyAll(request, list, round);
    },
  };
}

function makeDue(memory: Memory): void {
  for (const key of memory.reinvocable) memory.due.add(key);
  memory.reinvocable.clear();
}

function refusal(request: AdmissionRequest, denied: readonly string[]): StatusError {
  const worded = forbidden(request, '');
  const causes = denied.map((message) => ({ message }));
  return new StatusError('Invalid', denied[0]!, { ...worded.details, causes }, { code: 403 });
}

const compiled = new WeakMap<Policy, Mutation[]>();

function mutations(policy: Policy): Mutation[] {
  let found = compiled.get(policy);
  if (found === undefined) {
    found = mutationsOf(policy, compiledPolicy(policy).environment);
    compiled.set(policy, found);
  }
  return found;
}

async function applyOne(
  request: AdmissionRequest,
  { policy, criteria, bindings }: BoundPolicy,
  round: Reinvocation,
  memory: Memory,
  denied: string[],
): Promise<void> {
  for (const { binding, criteria: narrower } of bindings) {
    try {
      const served = await matches(request, criteria);
      if (served === undefined) return;
      if (narrower !== undefined && (await matches(request, narrower)) === undefined) continue;
      for (const params of await paramsOf(request, policy, binding)) {
        const { name = '', namespace = '' } = params?.metadata ?? {};
        const key = `${policy.metadata.name} ${binding.metadata.name} ${namespace}/${name}`;
        if (round.again && !memory.due.has(key)) continue;
        if (await settled(() => change(request, served, policy, params))) {
          makeDue(memory);
          round.wanted = true;
        }
        if (policy.spec.reinvocationPolicy === 'IfNeeded') memory.reinvocable.add(key);
      }
    } catch (error) {
      if (error instanceof StatusError) throw error;
      if (policy.spec.failurePolicy !== 'Ignore') denied.push(told(policy, binding, error as Error));
    }
  }
}

function told(policy: Policy, binding: Binding, error: Error): string {
  const why = error instanceof ExpressionError ? error.message : `failed to configure binding: ${error.message}`;
  return `policy '${policy.metadata.name}' with binding '${binding.metadata.name}' denied request: ${why}`;
}

/** Whether it changed the object. */
async function change(
  request: AdmissionRequest,
  served: ServedResource,
  policy: Policy,
  params: AnyObject | undefined,
): Promise<boolean> {
  const { conditions, variables } = compiledPolicy(policy);
  const namespace = await namespaceObject(request);
  let seen = await versionedAs(served, request);
  const chosen = conditionsHold(conditions, bindingsOf(request, served, seen, { params, namespace }), {
    left: matchConditionsBudget,
  });
  if (chosen.error !== undefined) throw new ExpressionError(chosen.error);
  if (!chosen.matches) return false;
  const { kind } = served;
  const before = seen.object!;
  for (const mutation of mutations(policy)) {
    const budget: Budget = { left: requestBudget };
    const bindings = withVariables(bindingsOf(request, served, seen, { params, namespace }), variables, budget);
    const mutated = mutate(seen.object!, kind.schema, mutation, bindings, budget);
    const object = mutated.kind === kind.kind ? readable(served, mutated) : mutated;
    seen = { ...seen, object };
  }
  if (equalJson(before, seen.object)) return false;
  const isWhole = before.kind === kind.kind;
  replace(request.object!, isWhole ? await convertTo(served, request.call.served, seen.object!) : seen.object!);
  return true;
}

function readable({ kind }: ServedResource, mutated: AnyObject): AnyObject {
  try {
    const object = decode(kind, mutated, quiet);
    kind.default?.(object);
    return object;
  } catch (error) {
    throw new ExpressionError(`error applying patch: ${(error as Error).message}`);
  }
}
